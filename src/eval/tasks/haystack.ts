/** Prose to hide things in: cut to a number of words, repeated when more are asked for, split into sentences. */
import { CompactorError } from '../../error.ts'

export interface Haystack {
  /** The first `count` words; from the beginning again after the last. A word beyond 24 letters counts as several. */
  take(count: number): string
}

/** Pieces with the space behind them. Scripts without spaces are one endless word and are cut every 24 letters. */
const pieces = /\S{1,24}\s?/gu

/** Throws CompactorError('usage') for a text without a word. */
export const createHaystack = (text: string): Haystack => {
  const once = `${text.trim().replace(/\s+/g, ' ')} `
  const ends = Array.from(once.matchAll(pieces), ({ 0: piece, index }) => index + piece.length)
  if (ends.length === 0)
    throw new CompactorError('usage', 'the haystack has no words; give a text with at least one sentence')
  return {
    take: (count) => {
      const rounds = Math.floor(count / ends.length)
      const rest = count % ends.length
      return (once.repeat(rounds) + once.slice(0, rest === 0 ? 0 : ends[rest - 1])).trimEnd()
    },
  }
}

// A full stop and what closes around it, then space and the beginning of a sentence; or one of Chinese and Japanese.
const boundary = /(?<=[.!?]["'”’)\]]*) (?=["'“‘([]*[\p{Lu}\p{N}])|(?<=[。！？][”’」』）]*)(?=[^”’」』）])/u

/** Sentences of a text whose words stand one space apart. */
export const sentencesOf = (text: string): string[] => text.split(boundary).filter((sentence) => sentence !== '')
