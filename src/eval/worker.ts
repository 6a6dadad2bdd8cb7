/** The worker thread of one evaluation: opens the model, makes the data sets, runs, tells how far it is. */
import { parentPort, workerData } from 'node:worker_threads'
import { Control } from '../engine/control.ts'
import { openModelFile } from '../engine/model-file.ts'
import { toWire } from '../engine/protocol.ts'
import { arithmeticOf, createOps } from '../engine/settings.ts'
import { dataSetsOf } from './data-sets.ts'
import type { Job, WorkerInput, WorkerMessage } from './job.ts'
import { runEvaluation } from './run.ts'
import type { Run } from './run-folder.ts'
import { readVariant } from './variant.ts'

if (!parentPort) throw new TypeError('eval/worker runs as a worker thread; use evaluate()')
const port = parentPort
const say = (message: WorkerMessage): void => port.postMessage(message)

const perform = async (job: Job, control: Control): Promise<Run> => {
  const { engine, model, sources, choice, variants, protocol, measures, maxNewTokens, shaded, precision, folder } = job
  const ops = createOps(engine)
  ops.watchAbort(control.words)
  try {
    const file = openModelFile(ops, model)
    const subject = { ops, file, template: await file.template(), precision, control }
    const data = dataSetsOf(subject, { sources, choice, onNote: (sentence) => say({ type: 'note', sentence }) })
    return await runEvaluation(subject, {
      data,
      variants: variants.map(readVariant),
      protocol,
      measures,
      seed: choice.seed,
      questionsPerContext: choice.questions,
      maxNewTokens,
      shaded,
      activations: engine.backend === 'native' ? engine.activations : arithmeticOf(engine),
      threads: engine.threads,
      folder,
      onProgress: (progress) => say({ type: 'progress', progress }),
    })
  } finally {
    ops.dispose()
  }
}

const { job, control } = workerData as WorkerInput
try {
  say({ type: 'done', run: await perform(job, new Control(control)) })
} catch (error) {
  say({ type: 'error', error: toWire(error) })
}
