/**
 * The command line: which commands there are, where their values come from, how the process ends. A command's
 * file is loaded only when it is called, and the engine only by commands that compute, so that help answers at once.
 */
import { Command, Help } from 'commander'
import { fileReason } from '../file-reason.ts'
import { describeFailure } from './failure.ts'
import { listenForInterruption, sayInterrupted } from './interruption.ts'
import { applySettings, readConfig, refuseUnknownKeys } from './settings.ts'
import { Terminal } from './terminal.ts'
import { topics } from './topics.ts'

interface Entry {
  readonly names: readonly string[] // the first one is shown
  readonly summary: string
  /** Adds arguments, flags, help and action to the command. */
  readonly load: () => Promise<(command: Command, terminal: Terminal, commands: () => Promise<Command[]>) => void>
}

const entries: readonly Entry[] = [
  {
    names: ['pull'],
    summary: 'get a model, checked against its checksum',
    load: async () => (await import('./pull.ts')).definePull,
  },
  {
    names: ['model', 'models'],
    summary: 'list or remove the models on this machine',
    load: async () => (await import('./model.ts')).defineModel,
  },
  {
    names: ['compress'],
    summary: 'read a document once and keep a small memory of it',
    load: async () => (await import('./compress.ts')).defineCompress,
  },
  {
    names: ['ask'],
    summary: 'ask a compressed document, or any document, a question',
    load: async () => (await import('./ask.ts')).defineAsk,
  },
  {
    names: ['chat'],
    summary: 'talk about a compressed document, or any document, turn by turn',
    load: async () => (await import('./chat.ts')).defineChat,
  },
  {
    names: ['extract'],
    summary: 'find the fields of a schema in a document, all at once, as JSON',
    load: async () => (await import('./extract.ts')).defineExtract,
  },
  {
    names: ['estimate'],
    summary: 'tokens, seconds and bytes of a document before they are paid',
    load: async () => (await import('./estimate.ts')).defineEstimate,
  },
  {
    names: ['context', 'ctx', 'contexts'],
    summary: 'list, show or remove remembered contexts',
    load: async () => (await import('./context.ts')).defineContext,
  },
  {
    names: ['inspect'],
    summary: 'what is in a model or context file, what this machine can do',
    load: async () => (await import('./inspect.ts')).defineInspect,
  },
  {
    names: ['eval'],
    summary: 'measure what compression costs, on your data or on tasks made up for it',
    load: async () => (await import('./eval.ts')).defineEval,
  },
  {
    names: ['completion'],
    summary: 'print the completion script of a shell',
    load: async () => (await import('./completion.ts')).defineCompletion,
  },
]

const epilogue = `
Every flag can also be set as COMPACTOR_<FLAG> in the environment or in ${'compactor.config.json'} (key in camelCase);
a flag wins over the environment, the environment over the file. A flag that may be repeated takes several values
separated by commas in the environment and a list in the file. Models and contexts live in COMPACTOR_HOME
(default ~/.compactor). COMPACTOR_DEBUG=1 shows where in the program an error arose.

\`compactor help TOPIC\` explains ${topics.map(({ name }) => name).join(', ')}.

Examples:
  compactor compress report.txt --keep 0.25      read once -> report.cctx
  compactor ask report.cctx "Who signed it?"     answers in seconds, as often as you like
  compactor ask notes.pdf "What is left to do?"  compresses first, remembers
  compactor chat report.cctx                     a conversation about it`

const newCommand = (name: string): Command => {
  const command = new Command(name)
  command.exitOverride().configureOutput({ outputError: () => undefined }) // describeFailure says it
  command.showSuggestionAfterError().helpCommand(false)
  // What a flag without its value stands for, its description says in words.
  const optionDescription: Help['optionDescription'] = (option) =>
    new Help().optionDescription(option).replace(/ \(preset: [^)]*\)/, '')
  command.configureHelp({ optionDescription })
  return command
}

const define = async (entry: Entry, terminal: Terminal): Promise<Command> => {
  const [name = '', ...aliases] = entry.names
  const command = newCommand(name).aliases(aliases).summary(entry.summary).description(capital(entry.summary))
  ;(await entry.load())(command, terminal, () => Promise.all(entries.map((other) => define(other, terminal))))
  return command
}

const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** Told which command is called once its values are there. */
type OnCall = (command: Command) => void

const buildProgram = async (words: readonly string[], terminal: Terminal, onCall: OnCall): Promise<Command> => {
  const program = newCommand('compactor')
    .description('Read a long document once, keep a small memory of it, ask it anything.')
    .usage('COMMAND [...]')
    .option('-V, --version', 'print the version')
    .enablePositionalOptions() // flags behind a command are its own
    .addHelpText('after', epilogue)
  for (const entry of entries) {
    const isCalled = entry.names.includes(words[0] ?? '')
    const [name = '', ...aliases] = entry.names
    program.addCommand(
      isCalled ? await define(entry, terminal) : newCommand(name).aliases(aliases).summary(entry.summary),
    )
  }
  program.hook('preAction', async (_, command) => {
    const config = await readConfig()
    if (config) {
      const [{ didYouMean }, commands] = await Promise.all([import('../nearest-name.ts'), defineAll(terminal)])
      refuseUnknownKeys(config, commands, didYouMean)
    }
    applySettings(command, process.env, config)
    onCall(command)
  })
  return program
}

const defineAll = async (terminal: Terminal): Promise<Command[]> => {
  const commands = await Promise.all(entries.map((entry) => define(entry, terminal)))
  return commands.flatMap((command) => [command, ...command.commands])
}

/** True when a word stands where the name of a command must, and there is no such command. */
const namesNoCommand = (program: Command, words: readonly string[]): boolean => {
  let command = program
  for (const word of words) {
    if (word.startsWith('-') || command.commands.length === 0) return false
    const next = command.commands.find((sub) => sub.name() === word || sub.aliases().includes(word))
    if (!next) return command.registeredArguments.length === 0 // else it may be an argument
    command = next
  }
  return false
}

/** Parse and do. A mistyped command is not helped by the help of its parent, so it is refused even with --help. */
const obey = async (words: readonly string[], terminal: Terminal, onCall: OnCall): Promise<void> => {
  const program = await buildProgram(words, terminal, onCall)
  const isHelp = (word: string): boolean => word === '--help' || word === '-h'
  const meant = namesNoCommand(program, words) ? words.filter((word) => !isHelp(word)) : words
  await program.parseAsync(meant, { from: 'user' })
}

/** `help ask` and `ask help` are `ask --help`. */
const expandHelp = (words: readonly string[]): string[] =>
  words[0] === 'help' ? [...words.slice(1), '--help'] : [...words]

/** `help keep`; a topic wins over a command that is called the same. */
const topicOf = ([first, name, ...more]: readonly string[]): string | undefined =>
  first === 'help' && more.length === 0 ? topics.find((topic) => topic.name === name)?.text.trimStart() : undefined

const main = async (): Promise<number> => {
  const interruption = listenForInterruption()
  const terminal = new Terminal(interruption)
  let called: Command | undefined
  const onCall = (command: Command): void => {
    called = command
  }
  try {
    const words = expandHelp(process.argv.slice(2))
    const topic = topicOf(process.argv.slice(2))
    if (topic !== undefined) terminal.print(topic)
    else if (words[0] === '-V' || words[0] === '--version') terminal.print((await import('../version.ts')).version)
    else await obey(words, terminal, onCall)
    const interrupted = interruption.exitCode()
    if (interrupted !== undefined) sayInterrupted() // whether all was done by then, nobody here can tell
    return interrupted ?? terminal.exitCode
  } catch (error) {
    if (process.env.COMPACTOR_DEBUG) console.error(error)
    const interrupted = interruption.exitCode()
    const { exitCode, sentence } = describeFailure(error, called)
    if (interrupted !== undefined) sayInterrupted()
    else if (sentence !== undefined) terminal.note(sentence)
    return interrupted ?? exitCode
  }
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0) // a reader that has seen enough (`| head`): that is no failure
  process.stderr.write(`compactor: standard output could not be written: ${fileReason(error)}\n`)
  process.exit(1)
})
process.stderr.on('error', () => undefined) // nobody left to tell

/** When all that was printed is written; the listener above has been told of a failure by then. */
const printedOut = async (): Promise<void> => {
  if (process.stdout.writableLength > 0) await new Promise((resolve) => process.stdout.write('', resolve))
  await new Promise((resolve) => setImmediate(resolve))
}

const exitCode = await main()
await printedOut()
process.exit(exitCode)
