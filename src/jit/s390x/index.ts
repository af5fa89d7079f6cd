/** s390x: images for z13 and later. */
export { S390X } from './target.ts';
