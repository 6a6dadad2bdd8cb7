/** What crosses between the caller of an evaluation and its worker: plain data only. */
import type { Precision } from '../backends/ops.ts'
import type { ModelFileSource } from '../engine/model-file.ts'
import type { EngineSettings, WireError } from '../engine/protocol.ts'
import type { OptionValue } from '../methods/options.ts'
import type { ExampleFile } from './read-examples.ts'
import type { Measure, Protocol } from './result.ts'
import type { RunProgress } from './run.ts'
import type { Run } from './run-folder.ts'

/** Contexts of a file, read already, or of a task at some lengths, made once the tokenizer is there. */
export type Source =
  | { readonly kind: 'file'; readonly file: ExampleFile; readonly ids?: readonly string[] } // ids: of a committed subset
  | ({ readonly kind: 'task' } & TaskSource)

export interface TaskSource {
  readonly name: string
  readonly lengths?: readonly number[] // absent: the task's own, as far as the model was trained
  readonly samples: number
  readonly haystack?: string
  readonly options: Readonly<Record<string, OptionValue>>
}

/** Which contexts and questions of the sources are run. */
export interface Choice {
  readonly seed: number
  readonly limit?: number
  readonly perDataset?: number
  readonly minTokens?: number
  readonly maxTokens?: number
  readonly questions: number
}

export interface Job {
  readonly engine: EngineSettings
  readonly model: ModelFileSource
  readonly sources: readonly Source[]
  readonly choice: Choice
  readonly variants: readonly string[]
  readonly protocol: Protocol
  readonly measures: readonly Measure[]
  readonly maxNewTokens: number
  readonly shaded: number
  readonly precision: Precision
  readonly folder: string
}

export interface WorkerInput {
  readonly job: Job
  readonly control: SharedArrayBuffer
}

export type WorkerMessage =
  | { readonly type: 'progress'; readonly progress: RunProgress }
  | { readonly type: 'note'; readonly sentence: string }
  | { readonly type: 'done'; readonly run: Run }
  | { readonly type: 'error'; readonly error: WireError }
