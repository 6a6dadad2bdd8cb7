/** Why the system refused a file operation, in words that end a sentence. A leaf: every folder may import it. */

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the disk can only be read',
  EISDIR: 'it is a directory',
  ERR_FS_EISDIR: 'it is a directory',
  ENOTDIR: 'part of its path is not a directory',
  EEXIST: 'something of that name is in the way',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
}

export const fileReason = (error: unknown): string => {
  const { code, message } = error as { code?: string; message?: string }
  return (code !== undefined && reasons[code]) || message || String(error)
}
