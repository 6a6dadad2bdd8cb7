/** Why a model could not be written, in a sentence that says what to do. */
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'

export const writeFailure = (name: string, models: string, cause: unknown): CompactorError => {
  const full = ['ENOSPC', 'EDQUOT'].includes((cause as { code?: string }).code ?? '')
  const reason = full ? 'the disk is full; make room or set COMPACTOR_HOME to another disk' : fileReason(cause)
  return new CompactorError('write-failed', `${name} could not be written to ${models}: ${reason}`, { cause })
}
