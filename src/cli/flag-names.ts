/**
 * The library's sentences in the user's words: it says `maxTokens`, the user typed --max-tokens, or set it in the environment or
 * the file. One rule for every option of every command. Sentences name an option as their first word, by a name in camelCase,
 * which is no word of a language, or in backticks. Only a sentence about what was asked for begins with an option: others may begin with
 * a file's name, or with "model file".
 */
import type { Command, Option } from 'commander'
import { configFile, variableOf } from './settings.ts'

/** As it was given: --max-tokens, COMPACTOR_MAX_TOKENS, maxTokens in compactor.config.json. */
export const givenName = (command: Command, option: Option): string => {
  const key = option.attributeName()
  const source = command.getOptionValueSource(key)
  if (source === 'env') return variableOf(option)
  return source === 'config' ? `${key} in ${configFile}` : (option.long ?? option.flags)
}

export const withFlagNames = (
  sentence: string,
  command: Command,
  { mayBegin = true }: { readonly mayBegin?: boolean } = {},
): string => {
  const shown = new Map(command.options.map((option) => [option.attributeName(), givenName(command, option)]))
  const any = [...shown.keys()].join('|')
  const camelCase = [...shown.keys()].filter((name) => /[A-Z]/.test(name)).join('|') || '(?!)'
  // The library has a list (lengths) where a flag (--length) takes several with commas or may be repeated.
  const places = [
    mayBegin ? `^(?<each>each of )?(?<first>${any})s?(?= )` : '(?!)',
    `\`(?<quoted>${any})s?\``,
    `(?<![\\w"'./-])(?<inside>${camelCase})s?(?![\\w"'/-]|\\.\\w)`,
  ]
  return sentence.replace(new RegExp(places.join('|'), 'g'), (...found) => {
    const { each = '', first, quoted, inside } = found.at(-1) as Record<string, string | undefined>
    return `${each}${shown.get(first ?? quoted ?? inside ?? '')}`
  })
}
