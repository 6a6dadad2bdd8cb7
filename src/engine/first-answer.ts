/**
 * A first answer as a new process gives it: by code that is not compiled yet, from a context that is mapped and a model
 * whose weights this thread has not touched. In a worker of its own, whose JavaScript begins as cold as that of a process.
 */
import type { AskRequest, EngineSettings, Requests, Results } from './protocol.ts'
import { WorkerClient } from './worker-client.ts'

/** What a new process would begin with. */
export interface Beginning {
  readonly settings: EngineSettings
  readonly file: Requests['loadModel']
}

/** @param path of a saved context of the model */
export const firstAnswer = async (
  { settings, file }: Beginning,
  path: string,
  { request, signal }: { readonly request: AskRequest; readonly signal?: AbortSignal | undefined },
): Promise<Results['ask']> => {
  const client = new WorkerClient()
  const options = { signal }
  try {
    await client.call('start', settings, options)
    const { model } = await client.call('loadModel', file, options)
    const { context } = await client.call('openContext', { model, path }, options)
    return await client.call('ask', { ...request, context }, options)
  } finally {
    await client.close()
  }
}
