/**
 * RULER's variable tracking: one chain of assignments among filler lines, after a worked example. Not here: the wording
 * (ruler-text.ts).
 */
import { createDraws, type Draws } from './draws.ts'
import { largestFit } from './largest-fit.ts'
import { fillerLine, rulerExample, variablesPrompt } from './ruler-text.ts'
import { fitted, type Task, type TaskRequest } from './task.ts'

export const variableParameters = {
  chains: 1,
  hops: 4,
  nameLetters: 5,
  exampleNameLetters: 3,
  exampleTokens: 500,
} as const

const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']

interface Chain {
  readonly names: readonly string[] // all have the value of the first
  readonly value: string
}

const drawChain = (draws: Draws, nameLetters: number): Chain => {
  const names = new Set<string>()
  while (names.size <= variableParameters.hops)
    names.add(Array.from({ length: nameLetters }, () => draws.pick(letters)).join(''))
  return { names: [...names], value: String(draws.integer(10_000, 99_998)) }
}

const assignments = ({ names, value }: Chain): string[] =>
  names.map((name, hop) => (hop === 0 ? `VAR ${name} = ${value}` : `VAR ${name} = VAR ${names[hop - 1]} `))

/** Assignments in their order at random lines of the filler. @param lineCount at least one for each name */
const hidden = (chain: Chain, lineCount: number, draws: Draws): string => {
  const numbers = Array.from({ length: lineCount }, (_, index) => index)
  const before = draws.sample(numbers, chain.names.length).sort((a, b) => a - b)
  const lines = Array<string>(lineCount).fill(fillerLine)
  assignments(chain).forEach((assignment, hop) => {
    lines.splice((before[hop] ?? 0) + hop, 0, assignment)
  })
  return lines.join('\n')
}

const prompted = (chain: Chain, text: string): ReturnType<typeof variablesPrompt> =>
  variablesPrompt(text, chain.value, chain.names.length)

/** The worked example as a function of the sample: its filler and places stay, names and value change. */
const workedExample = ({ seed, countTokens }: TaskRequest): ((draws: Draws) => string) => {
  const textOf = (chain: Chain, lines: number): string => {
    const { context, question, answerPrefix } = prompted(
      chain,
      hidden(chain, lines, createDraws(seed, 'vt places', lines)),
    )
    return context + question + answerPrefix
  }
  const first = drawChain(createDraws(seed, 'vt example'), variableParameters.exampleNameLetters)
  const fit = largestFit({
    least: first.names.length,
    guess: 15,
    limit: variableParameters.exampleTokens,
    build: (lines) => ({ lines, text: textOf(first, lines) }),
    tokensOf: ({ text }) => countTokens(text),
  })
  const lines = fit?.units ?? first.names.length
  return (draws) => {
    const chain = drawChain(draws, variableParameters.exampleNameLetters)
    return `${textOf(chain, lines)} ${chain.names.join(' ')}\n\n`
  }
}

export const variableTracking: Task = {
  name: 'ruler/vt',
  summary: `name the ${variableParameters.hops + 1} variables of one value, assigned in a chain`,
  metric: 'ruler-all',
  maxNewTokens: 30,
  lengths: [4096],
  options: {},
  generate: (request) => {
    const exampleFor = workedExample(request)
    const drafts = Array.from({ length: request.samples }, (_, index) => {
      const draws = createDraws(request.seed, 'ruler/vt', index)
      const example = exampleFor(draws)
      const chain = drawChain(draws, variableParameters.nameLetters)
      return {
        least: chain.names.length,
        draft: (lines: number) => {
          const places = createDraws(request.seed, 'ruler/vt', index, 'places', lines)
          const prompt = prompted(chain, hidden(chain, lines, places))
          const answers = chain.names
          return rulerExample({
            task: variableTracking,
            request,
            index,
            prompt: { ...prompt, context: example + prompt.context },
            answers,
          })
        },
      }
    })
    return fitted('ruler/vt', request, drafts)
  },
}
