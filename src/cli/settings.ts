/**
 * Values for flags from elsewhere: COMPACTOR_<FLAG> in the environment, then compactor.config.json in the working folder.
 * A flag on the command line wins over both, a default loses to both.
 */
import { readFile } from 'node:fs/promises'
import { type Command, CommanderError, type Option } from 'commander'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { collect } from './flags.ts'

export const configFile = 'compactor.config.json'

export type Config = Readonly<Record<string, unknown>>

/** --max-tokens → COMPACTOR_MAX_TOKENS */
export const variableOf = (option: Option): string =>
  `COMPACTOR_${(option.long ?? '').replace(/^--/, '').replaceAll('-', '_').toUpperCase()}`

/** undefined when there is none. Throws CompactorError('usage') for anything but an object. */
export const readConfig = async (): Promise<Config | undefined> => {
  let text: string
  try {
    text = await readFile(configFile, 'utf8')
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') return undefined
    throw new CompactorError('usage', `${configFile} cannot be read: ${fileReason(cause)}; mend it or remove it`, {
      cause,
    })
  }
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (cause) {
    throw new CompactorError(
      'usage',
      `${configFile} is not valid JSON: ${(cause as Error).message}; mend it or remove it`,
      { cause },
    )
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new CompactorError('usage', `${configFile} must hold an object, for example {"threads": 2}`)
  return config as Config
}

/** Every key must be a flag of some command, so that a typing mistake is not a silent default. */
export const refuseUnknownKeys = (
  config: Config,
  commands: readonly Command[],
  suggest: (word: string, names: readonly string[]) => string,
): void => {
  const names = [
    ...new Set(commands.flatMap((command) => command.options.map((option) => option.attributeName()))),
  ].sort()
  const unknown = Object.keys(config).find((key) => !names.includes(key))
  if (unknown === undefined) return
  const all = `; keys are the flags in camelCase (\`compactor help environment\`): ${names.join(', ')}`
  throw new CompactorError(
    'usage',
    `${configFile} has an unknown key ${JSON.stringify(unknown)}${suggest(unknown, names) || all}`,
  )
}

/** Fill in what the command line left open. Call after parsing, before the action. */
export const applySettings = (command: Command, env: NodeJS.ProcessEnv, config: Config | undefined): void => {
  for (const option of command.options) {
    const key = option.attributeName()
    if (command.getOptionValueSource(key) === 'cli') continue
    const variable = variableOf(option)
    const fromEnv = env[variable]
    if (fromEnv !== undefined && fromEnv !== '') {
      const value = read(option, listed(option, fromEnv, variable), variable)
      // The variable is named as the flag is, COMPACTOR_NO_…; the key of the file as what the flag turns off.
      command.setOptionValueWithSource(key, option.negate ? !value : value, 'env')
    } else if (config && Object.hasOwn(config, key))
      command.setOptionValueWithSource(key, read(option, config[key], `${key} in ${configFile}`), 'config')
  }
}

const takesList = (option: Option): boolean => option.parseArg === (collect as Option['parseArg'])

/** The environment has no lists: commas separate the values of a flag that may be repeated. */
const listed = (option: Option, text: string, variable: string): string | string[] => {
  if (!takesList(option)) return text
  const values = text.split(',')
  if (values.every((value) => value !== '')) return values
  throw new CompactorError(
    'usage',
    `${variable} takes values separated by commas, got ${JSON.stringify(text)}; a value with a comma in it goes into ${configFile}`,
  )
}

const read = (option: Option, value: unknown, where: string): unknown => {
  if (option.isBoolean() || option.negate) return readSwitch(value, where)
  const isList = takesList(option)
  const values = Array.isArray(value) ? value : [value]
  if (values.some((one) => !['string', 'number'].includes(typeof one)) || (values.length !== 1 && !isList))
    throw new CompactorError(
      'usage',
      `${where} must be ${isList ? 'a list of texts' : 'a text or a number'}, got ${JSON.stringify(value)}`,
    )
  const texts = values.map(String)
  try {
    const parsed = texts.map((text) => option.parseArg?.(text, undefined) ?? text)
    return isList ? parsed.flat() : parsed[0]
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause
    throw new CompactorError('usage', `${where} is ${JSON.stringify(value)}: ${cause.message}`, { cause })
  }
}

const readSwitch = (value: unknown, where: string): boolean => {
  if (value === true || /^(1|true|yes|on)$/i.test(String(value))) return true
  if (value === false || /^(0|false|no|off)$/i.test(String(value))) return false
  throw new CompactorError('usage', `${where} must be true or false, got ${JSON.stringify(value)}`)
}
