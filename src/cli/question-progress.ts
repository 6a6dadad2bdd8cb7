/** How far a long question is read, shown like the reading of a document; a short one is read before anything is shown. */
import type { AskOptions } from '../index.ts'
import { countText } from './figures.ts'
import type { Terminal } from './terminal.ts'

/** `stop` when the answer has ended, however it did. */
export const followQuestion = (
  terminal: Terminal,
): { readonly onProgress: NonNullable<AskOptions['onProgress']>; readonly stop: () => void } => {
  const rate = (perSecond: number): string => `${countText(Math.round(perSecond))} tokens/s`
  const { update, stop } = terminal.follow({ label: 'reading the question', rate })
  return { onProgress: ({ done, total }) => update(done, total), stop }
}
