/** What a target of the fuzzer is: damaged files by number, and how each is read. */

export interface Damaged {
  readonly base: string // the whole file that it was
  readonly bytes: Buffer
  readonly what: readonly string[] // was done to it
}

export interface Trial {
  /** The same file for the same index, whatever came before. */
  damage(index: number): Damaged
  /** Reads it and goes on as far as it lets; throws what the readers throw. */
  read(file: Damaged, index: number): Promise<void>
  dispose(): Promise<void>
}

export const targets = ['gguf', 'cctx', 'documents'] as const
export type Target = (typeof targets)[number]

/** @param folder of its own, for files that are read by path. Loaded when asked for: they read fixtures. */
export const createTrial = async (target: Target, seed: number, folder: string): Promise<Trial> => {
  if (target === 'gguf') return (await import('./gguf-trial.ts')).ggufTrial(seed, folder)
  if (target === 'cctx') return (await import('./cctx-trial.ts')).cctxTrial(seed, folder)
  return (await import('./documents-trial.ts')).documentsTrial(seed)
}
