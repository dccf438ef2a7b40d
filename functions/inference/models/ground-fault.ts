/** Broken ground in one sentence: a disk that is full, a folder that may not be written. Stacks are for our own mistakes. */

const WHAT: Record<string, string> = {
  EACCES: 'there is no permission',
  EPERM: 'it is not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  ENOENT: 'it cannot be made or found',
  ENOTDIR: 'a part of the path is no folder',
  EIO: 'the disk has an error',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
}

/** @param error anything thrown */
export function groundFault(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, path, message, stack } = error as NodeJS.ErrnoException
  const what = code === undefined ? undefined : WHAT[code]
  // What a library says of a file is a sentence; anything else is ours to mend, and the stack says where.
  if (what === undefined) return message.startsWith('ONNX Runtime') ? message : (stack ?? message)
  return `${path ?? 'It failed'}: ${what} (${code}).`
}
