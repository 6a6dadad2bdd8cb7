/** An engine with one model in it, for commands that compute; a missing model is downloaded first, and that is said. */
import type { Engine, LoadedModel } from '../index.ts'
import { type EngineFlags, given } from './flags.ts'
import { showPull } from './pull.ts'
import type { Terminal } from './terminal.ts'

// dispose() and not Symbol.asyncDispose with `await using`, which came with Node 20.5.
export interface OpenModel {
  readonly engine: Engine
  readonly model: LoadedModel
  dispose(): Promise<void>
}

/** Before a document is read: a name or path that no model has is refused at once, as `openModel` would refuse it. */
export const checkModelFlag = async (spec: string, { offline }: EngineFlags): Promise<void> => {
  const { checkModel } = await import('../index.ts')
  await checkModel(spec, given({ offline }))
}

export const openModel = async (
  spec: string,
  { threads, backend, offline }: EngineFlags,
  terminal: Terminal,
): Promise<OpenModel> => {
  const { createEngine } = await import('../index.ts')
  const engine = await createEngine(given({ threads, backend }))
  if (engine.backend.reason !== undefined) terminal.note(engine.backend.reason)
  try {
    const model = await showPull(spec, terminal, (callbacks) =>
      engine.loadModel(spec, { ...callbacks, ...given({ offline }) }),
    )
    return { engine, model, dispose: () => engine.dispose() }
  } catch (error) {
    await engine.dispose()
    throw error
  }
}
