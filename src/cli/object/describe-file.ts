import { relocateObject } from '../../object/index.ts';
import { type Failure, failureOf } from '../failure.ts';
import { kernelBtf } from '../input/btf-file.ts';
import { type ObjectImage, objectImages, openImage } from '../input/object-file.ts';
import { toJson } from '../json.ts';
import { painter } from '../output.ts';
import { coreRecord, coreText } from './core-report.ts';
import { describeObject } from './describe.ts';
import { objectText } from './show-text.ts';

export interface DescribeInput {
  readonly file: string;
  readonly json: boolean;
  readonly color: boolean;
  /** Kernel BTF to apply CO-RE relocations against. */
  readonly btf: string | undefined;
}

/** One object's description, ready to be printed; or why there is none. */
export type Description = { readonly text: string } | { readonly failure: Failure };

/** Describes the objects in one file. Throws for a file without any; an object that does not open is a failure of its own. */
export function describeFile(input: DescribeInput): Description[] {
  return objectImages(input.file).map(image => {
    try {
      return { text: describeImage(image, input) };
    } catch (error) {
      return { failure: failureOf(error) };
    }
  });
}

function describeImage(image: ObjectImage, { json, color, btf }: DescribeInput): string {
  const opened = openImage(image);
  const relocated = btf === undefined ? undefined : relocateObject(opened, { targetBtf: kernelBtf(btf) });
  const spec = relocated?.spec ?? opened;
  if (json) {
    const core = relocated === undefined ? undefined : coreRecord(relocated);
    const place = { file: image.file, offset: image.offBytes, bytes: image.bytes.length };
    return `${toJson({ ...place, ...describeObject(spec), core })}\n`;
  }
  const paint = painter(color);
  return objectText(spec, image.label, paint) + (relocated === undefined ? '' : coreText(relocated, paint));
}
