/** The one error class of the package: what a caller can act on carries a `code`. A leaf: every folder may import it. */

export type ErrorCode =
  | 'aborted' // the caller's AbortSignal fired
  | 'backend-unavailable' // the backend asked for cannot run here
  | 'budget-invalid' // a keep that cannot be met
  | 'context-corrupt' // a .cctx whose bytes are damaged, cut short or absurd
  | 'context-mismatch' // a .cctx of another model
  | 'context-unsupported' // a .cctx of another format version
  | 'context-unknown' // no such context in the store
  | 'disposed' // an engine, model or context used after dispose()
  | 'document-invalid' // empty, binary or not UTF-8
  | 'document-too-long' // does not fit into the trained context
  | 'download-failed' // no source gave the file
  | 'checksum-mismatch' // bytes arrived but are not the promised ones
  | 'file-unreadable' // missing, a directory, no permission
  | 'model-corrupt' // a GGUF that is damaged or cut short
  | 'model-unknown' // a name that is neither built in nor a file
  | 'model-unsupported' // architecture, tensor type, tokenizer or key that is not understood
  | 'output-exists' // refusing to overwrite
  | 'question-invalid' // empty, or too long for what is left of the context
  | 'usage' // wrong flag, option or argument
  | 'worker-failed' // the engine's worker died
  | 'write-failed' // disk full, no permission

export class CompactorError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'CompactorError'
    this.code = code
  }
}
