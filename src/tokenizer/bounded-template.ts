/**
 * Renders a chat template that nobody has looked at: a model's file may hold one that loops for ever or grows until memory
 * ends, so every step is counted and every value measured. Loaded when a template is rendered, because the library is slow
 * to load. Not here: what is rendered and what is made of it (template.ts).
 */
import { Environment, Interpreter, parse, Template, tokenize } from '@huggingface/jinja'

/** Of three messages the templates of smollm2, qwen2.5 and gemma3 take under 100 steps, and under 2,500 characters counted on their way up. */
const mostSteps = 200_000
const mostCharacters = 2 ** 21
const mostItems = 2 ** 18
const longestTemplate = 2 ** 18
const longestRange = 10_000

interface Evaluating {
  evaluate(statement: unknown, environment: unknown): { readonly value: unknown }
  run(program: unknown): { readonly value: unknown }
}
// The library's declarations of it are not found by TypeScript's resolution for Node.
const Unbounded = Interpreter as new (environment: unknown) => Evaluating

class BoundedInterpreter extends Unbounded {
  #steps = 0
  #characters = 0
  #items = 0

  override evaluate(statement: unknown, environment: unknown): { readonly value: unknown } {
    if (++this.#steps > mostSteps) throw new Error(`it takes more than ${mostSteps} steps`)
    const result = super.evaluate(statement, environment)
    const { value } = result
    if (typeof value === 'string') this.#characters += value.length
    else if (Array.isArray(value)) this.#items += value.length
    if (this.#characters > mostCharacters) throw new Error(`it writes more than ${mostCharacters} characters`)
    if (this.#items > mostItems) throw new Error(`it makes lists of more than ${mostItems} values`)
    return result
  }
}

const raise = (message: unknown): never => {
  throw new Error(String(message))
}

const range = (first: number, last?: number, step = 1): number[] => {
  const [from, to] = last === undefined ? [0, first] : [first, last]
  const length = Math.max(0, Math.ceil((to - from) / step))
  if (!(length <= longestRange)) throw new Error(`it asks for a range of more than ${longestRange} numbers`)
  return Array.from({ length }, (_, index) => from + index * step)
}

// The library keeps its own to itself.
const dateNow = (format: string): string => new Template('{{ strftime_now(format) }}').render({ format })

const globals = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: raise,
  range,
  strftime_now: dateNow,
}

/** Throws an Error with the template's reason, or that of a bound. */
export const renderTemplate = (text: string, values: Readonly<Record<string, unknown>>): string => {
  if (text.length > longestTemplate)
    throw new Error(`it has ${text.length} characters, and at most ${longestTemplate} are read`)
  const environment = new Environment()
  for (const [name, value] of Object.entries({ ...globals, ...values })) environment.set(name, value)
  const program = parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }))
  return String(new BoundedInterpreter(environment).run(program).value)
}
