/**
 * Where the turns of a conversation come from: a terminal, read with node:readline, or a pipe, where one line is one turn.
 * On both a line that ends with \ goes on in the next. Not here: what a turn says (chat.ts).
 */
import { createInterface, type Interface } from 'node:readline'
import { CompactorError } from '../error.ts'
import type { Terminal } from './terminal.ts'

export interface ChatInput {
  /** The next turn; undefined at the end. */
  next(): Promise<string | undefined>
  /** Ctrl-C while nothing is done. → whether it is dealt with; else the program ends */
  interrupted(): boolean
  close(): void
}

/** Lines to turns: what came so far of one that goes on. */
class Continuation {
  #lines: string[] = []

  get isOpen(): boolean {
    return this.#lines.length > 0
  }

  /** → the whole turn, once its last line came */
  add(line: string): string | undefined {
    if (!line.endsWith('\\')) return [...this.take(), line].join('\n')
    this.#lines.push(line.slice(0, -1))
    return undefined
  }

  take(): string[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }
}

/**
 * While a turn is answered the terminal is left as a shell has it: Ctrl-C is a signal then, and what is typed waits. The
 * prompt goes to standard error where standard output is no terminal.
 */
export class TypedInput implements ChatInput {
  readonly #terminal: Terminal
  readonly #readline: Interface
  readonly #output = process.stdout.isTTY ? process.stdout : process.stderr
  readonly #continuation = new Continuation()
  #turns: string[] = [] // typed or pasted before they were asked for
  #give: ((turn: string | undefined) => void) | undefined
  #isBegun = false
  #isClosed = false
  #isWarned = false // that another Ctrl-C ends it

  constructor(terminal: Terminal, commands: readonly string[]) {
    this.#terminal = terminal
    this.#readline = createInterface({
      input: process.stdin,
      output: this.#output,
      terminal: this.#output.isTTY === true,
      removeHistoryDuplicates: true,
      completer: (line: string) => [line.startsWith('/') ? commands.filter((name) => name.startsWith(line)) : [], line],
    })
    this.#readline.on('line', (line) => this.#take(line))
    this.#readline.on('SIGINT', () => terminal.interrupt())
    this.#readline.on('close', () => {
      this.#isClosed = true
      if (this.#give) this.#output.write('\n') // else what comes next would stand behind the prompt
      this.#give?.(undefined)
    })
    terminal.signal.addEventListener('abort', () => this.close(), { once: true })
  }

  async next(): Promise<string | undefined> {
    const waiting = this.#turns.shift()
    if (waiting !== undefined) {
      this.#output.write(`\n> ${waiting}\n`)
      return waiting
    }
    if (this.#isClosed) return undefined
    return new Promise((resolve) => {
      this.#give = (turn) => {
        this.#give = undefined
        this.#holdKeys(false)
        resolve(turn)
      }
      if (this.#isBegun) this.#output.write('\n') // between answer and prompt
      this.#isBegun = true
      this.#holdKeys(true)
      this.#prompt()
    })
  }

  /** Ctrl-C throws away what was typed; where there is nothing, the second one in a row ends it. */
  interrupted(): boolean {
    const isEmpty = this.#readline.line === '' && !this.#continuation.isOpen
    if (isEmpty && this.#isWarned) return false
    this.#isWarned = isEmpty
    this.#output.write('\n')
    if (isEmpty) this.#terminal.note('press Ctrl-C again or Ctrl-D to leave')
    this.#continuation.take()
    if (this.#readline.terminal)
      for (const name of ['e', 'u']) this.#readline.write(null as never, { ctrl: true, name }) // to the end, erase to the start
    this.#prompt()
    return true
  }

  close(): void {
    this.#readline.close()
  }

  #take(line: string): void {
    this.#isWarned = false
    const turn = this.#continuation.add(line)
    if (this.#give) {
      if (turn === undefined) this.#prompt()
      else this.#give(turn)
    } else if (turn !== undefined) this.#turns.push(turn)
  }

  #prompt(): void {
    this.#readline.setPrompt(this.#continuation.isOpen ? '… ' : '> ')
    this.#readline.prompt()
  }

  /** Whether keys come to readline, one by one, or stay with the terminal. */
  #holdKeys(areRead: boolean): void {
    if (this.#isClosed) return
    if (this.#readline.terminal) process.stdin.setRawMode(areRead)
    if (areRead) this.#readline.resume()
    else this.#readline.pause()
  }
}

const longestLine = 2 ** 24

export class PipedInput implements ChatInput {
  readonly #turns: AsyncGenerator<string>

  constructor(terminal: Terminal) {
    this.#turns = pipedTurns(terminal)
  }

  async next(): Promise<string | undefined> {
    const { value, done } = await this.#turns.next()
    return done ? undefined : value
  }

  /** Nobody sits there who could be asked to press it again. */
  interrupted(): boolean {
    return false
  }

  close(): void {
    void this.#turns.return(undefined)
  }
}

async function* pipedTurns(terminal: Terminal): AsyncGenerator<string> {
  const continuation = new Continuation()
  for await (const line of pipedLines(terminal)) {
    const turn = continuation.add(line)
    if (turn !== undefined) yield turn
  }
  terminal.signal.throwIfAborted()
  if (continuation.isOpen) yield continuation.take().join('\n')
}

/** Throws CompactorError: 'question-invalid' for a line without end, 'usage' for what is not UTF-8. */
async function* pipedLines(terminal: Terminal): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (chunk?: Uint8Array): string => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined })
    } catch (cause) {
      throw new CompactorError('usage', 'standard input is not UTF-8; convert it, for example with iconv', { cause })
    }
  }
  let rest = ''
  for await (const chunk of terminal.input()) {
    const lines = (rest + decode(chunk)).split(/\r?\n/)
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length > longestLine)
      throw new CompactorError('question-invalid', 'standard input has a line of more than 16 MB; give one turn a line')
  }
  rest += decode()
  if (rest !== '') yield rest
}
