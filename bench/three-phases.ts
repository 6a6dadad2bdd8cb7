/** The three phases whose time and limits are asked for: reading a document, one answer's next token, those of several at once. */
import { forward } from '../src/engine/forward.ts'
import { exampleText } from './document.ts'
import { control, idsOf, largest, readDocument, type Subject, sequenceOver } from './subject.ts'

export const together = 16
const steps = 24

export interface PhaseTime {
  readonly name: string
  readonly seconds: number // of the whole document, or of a step
  readonly steps: number // that were timed
}

/** Called when the clock of a phase starts, and when it has stopped. */
export interface Watch {
  readonly start: () => void
  readonly stop: (phase: PhaseTime) => void
}

export const timePhases = async (
  subject: Subject,
  { tokens, keep = 1 }: { readonly tokens: number; readonly keep?: number },
  watch?: Watch,
): Promise<PhaseTime[]> => {
  const phases: PhaseTime[] = []
  const timed = async (name: string, count: number, run: () => Promise<unknown>): Promise<void> => {
    watch?.start()
    const begun = performance.now()
    await run()
    const phase = { name, seconds: (performance.now() - begun) / 1000 / count, steps: count }
    watch?.stop(phase)
    phases.push(phase)
  }
  const document = idsOf(subject, exampleText(tokens), tokens)
  let block: Awaited<ReturnType<typeof readDocument>>['block'] | undefined
  await timed(`reading ${tokens.toLocaleString('en')} tokens`, 1, async () => {
    block = (await readDocument(subject, document, { keep })).block
  })
  if (!block) return phases
  const sequence = sequenceOver(subject, block)
  let token = largest(await sequence.next(document.subarray(0, 8), control))
  await timed('one token after them', steps, async () => {
    for (let step = 0; step < steps; step++) token = largest(await sequence.next(Uint32Array.of(token), control))
  })
  const step = stepOf(subject, block)
  await step() // takes memory
  await timed(`${together} answers to one document`, steps, async () => {
    for (let i = 0; i < steps; i++) await step()
  })
  return phases
}

const stepOf = (
  subject: Subject,
  block: Awaited<ReturnType<typeof readDocument>>['block'],
): (() => Promise<unknown>) => {
  const { ops, file } = subject
  const sequences = Array.from({ length: together }, () => sequenceOver(subject, block))
  return () => {
    for (const sequence of sequences) sequence.reserve(1)
    return ops.scope(() => {
      const parts = sequences.map((sequence, i) => ({ sequence, ids: Uint32Array.of(100 + i) }))
      return ops.read(file.model.logits(forward(ops, file.model, parts)))
    })
  }
}
