/** Token ids as the text that each adds, for people who want to see tokens one by one. */
import type { Tokenizer } from './tokenizer.ts'
import { Utf8Stream } from './utf8-stream.ts'

/** '' for a token that ends inside a character; the one that completes it has the whole. Throws RangeError for an unknown id. */
export const tokenTexts = (tokenizer: Pick<Tokenizer, 'decodeBytes'>, ids: Iterable<number>): string[] => {
  const stream = new Utf8Stream()
  const texts = Array.from(ids, (id) => stream.push(tokenizer.decodeBytes(id)))
  const last = texts.length - 1
  if (last >= 0) texts[last] += stream.flush()
  return texts
}
