/** name=value pairs of a flag that may be repeated; what they mean is for their owner to say. */
import { CompactorError } from '../error.ts'

export const namedValues = (flag: string, pairs: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
      if (name === undefined || value === undefined)
        throw new CompactorError('usage', `${flag} takes name=value, got ${JSON.stringify(pair)}`)
      return [name, value]
    }),
  )
