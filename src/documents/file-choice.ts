/**
 * Which files of a folder its reader asked for: patterns as in a .gitignore, from the folder itself. They choose among what
 * is read anyway; what ignore files leave out, hidden files and lock files do not come back. Not here: the walk (folder-files.ts).
 */
import ignore, { type Ignore } from 'ignore'
import { CompactorError } from '../error.ts'

export interface ChoiceOptions {
  /** Only files that one of these patterns names, or that lie in a folder it names. Default: all. */
  readonly include?: readonly string[] | undefined
  /** Without files and folders that one of these patterns names. Wins over `include`. Default: none. */
  readonly exclude?: readonly string[] | undefined
}

/** Throws TypeError for what is no list of patterns, CompactorError('usage') for an empty one. */
export const checkChoice = ({ include, exclude }: ChoiceOptions): void => {
  for (const [name, patterns] of Object.entries({ include, exclude })) {
    if (patterns === undefined) continue
    if (!Array.isArray(patterns) || patterns.some((pattern) => typeof pattern !== 'string'))
      throw new TypeError(`${name} must be a list of patterns, got ${JSON.stringify(patterns)}`)
    const refused = patterns.find((pattern) => saysNothing.test(pattern))
    if (refused !== undefined)
      throw new CompactorError(
        'usage',
        `${name} takes patterns as in a .gitignore, for example *.ts, got ${refused.trim() === '' ? 'an empty text' : `${JSON.stringify(refused)}, which names nothing${refused.startsWith('#') ? ' (a name that begins so is written \\#)' : ''}`}`,
      )
  }
}

/** Empty, a comment, or the folder itself. */
const saysNothing = /^\s*$|^#|^!?\.?\/*$/

export const isChosen = ({ include = [], exclude = [] }: ChoiceOptions): boolean => include.length + exclude.length > 0

export class FileChoice {
  readonly #include: readonly string[]
  readonly #included: Ignore
  readonly #excluded: Ignore
  readonly #unmet: Map<string, Ignore>
  readonly #passedOver = new Map<string, number>() // by the ending of the name
  #example = ''

  constructor({ include = [], exclude = [] }: ChoiceOptions) {
    this.#include = include
    this.#included = rulesOf(include)
    this.#excluded = rulesOf(exclude)
    const positive = include.filter((pattern) => !pattern.startsWith('!'))
    this.#unmet = new Map(positive.map((pattern) => [pattern, rulesOf([pattern])]))
  }

  /** Of a path from the folder, with / between. Why a file or folder is left out; undefined: it is not. */
  reason(path: string, isDirectory: boolean): string | undefined {
    if (this.#excluded.ignores(isDirectory ? `${path}/` : path)) return 'excluded'
    if (isDirectory || this.#include.length === 0) return undefined
    for (const [pattern, rules] of this.#unmet) if (rules.ignores(path)) this.#unmet.delete(pattern)
    if (this.#included.ignores(path)) return undefined
    const ending = /[^/.](\.[^./]+)$/.exec(path)?.[1] ?? ''
    this.#passedOver.set(ending, (this.#passedOver.get(ending) ?? 0) + 1)
    this.#example ||= path
    return 'not included'
  }

  /** Patterns of `include` that named nothing that was walked past. */
  get unmet(): readonly string[] {
    return [...this.#unmet.keys()]
  }

  /** What `include` passed over, for whoever expected something there: '3 *.md, 1 *.ts (the first is a.md)'. */
  get passedOver(): string {
    const kinds = [...this.#passedOver].sort(([, one], [, other]) => other - one)
    if (kinds.length === 0) return 'no file'
    const named = kinds
      .slice(0, mostKinds)
      .map(([ending, count]) => `${count} ${ending === '' ? 'without ending' : `*${ending}`}`)
    const rest = kinds.slice(mostKinds).reduce((sum, [, count]) => sum + count, 0)
    return `${[...named, ...(rest > 0 ? [`${rest} others`] : [])].join(', ')} (the first is ${this.#example})`
  }
}

const mostKinds = 5

/** ./src is what shells complete, and means the one at the top. */
const rulesOf = (patterns: readonly string[]): Ignore =>
  ignore().add(patterns.map((pattern) => pattern.replace(/^(!?)\.\//, '$1/')))
