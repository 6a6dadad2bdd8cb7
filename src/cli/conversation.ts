/** A conversation as the terminal holds it: what was said, of which context, and what it costs. Not here: the terminal. */
import type { AnswerInfo, AskOptions, Chat, Context, ContextStats, Keep, LoadedModel } from '../index.ts'
import { countText, percentText } from './figures.ts'

export interface Turn {
  readonly question: string
  readonly answer: string
}

/** Whether what stands before a turn is still known to the model. */
export type Said = Turn | { readonly anew: string }

export interface ConversationCost {
  readonly turns: number
  readonly forgottenTurns: number
  readonly tokens: number // behind the document
  readonly bytes: number // of keys and values that are held of them
  readonly roomTokens: number // left of the trained context
  readonly last: AnswerInfo | undefined
}

export class Conversation {
  readonly source: string
  /** How many passages each answer names that it comes from; undefined: none. */
  sources: number | undefined
  /** Of the context that it began with. */
  readonly stats: ContextStats
  readonly #model: LoadedModel
  readonly #options: AskOptions
  readonly #said: Said[] = []
  #context: Context
  #chat: Chat
  #turns = 0
  #forgottenTurns = 0
  #last: AnswerInfo | undefined

  constructor(
    { context, model }: { readonly context: Context; readonly model: LoadedModel },
    { source, options }: { readonly source: string; readonly options: AskOptions },
  ) {
    this.source = source
    this.#model = model
    this.#options = options
    this.sources = options.sources
    this.stats = context.stats
    this.#context = context
    this.#chat = context.chat()
  }

  get context(): Context {
    return this.#context
  }

  /** All that was said, also before it was begun anew. */
  get said(): readonly Said[] {
    return this.#said
  }

  /** Throws what `Chat.ask` rejects with; the turn is not remembered then. */
  async say(
    question: string,
    { onPiece, ...heard }: Pick<AskOptions, 'signal' | 'onProgress'> & { readonly onPiece: (text: string) => void },
  ): Promise<AnswerInfo> {
    const answer = this.#chat.ask(question, { ...this.#options, sources: this.sources, ...heard })
    for await (const piece of answer.textStream) onPiece(piece)
    const info = await answer.done
    this.#said.push({ question, answer: await answer.text })
    this.#turns++
    this.#forgottenTurns += info.forgottenTurns ?? 0
    this.#last = info
    return info
  }

  async forget(): Promise<void> {
    await this.#beginAnew(this.#context, 'begun anew')
  }

  /** Goes on with less of the document, and without what was said. Throws what `Context.shrink` throws. */
  async shrink(keep: Keep, signal: AbortSignal): Promise<Context> {
    const [before, smaller] = [this.#context, await this.#context.shrink(keep, { signal })]
    await this.#beginAnew(smaller, `begun anew with ${percentText(smaller.stats.keptShare)} of the document kept`)
    await before.dispose()
    return smaller
  }

  cost(): ConversationCost {
    const { contextLength } = this.#model.config
    const { originalTokens, headTokens } = this.#context.stats
    const documentTokens = originalTokens + headTokens
    const tokens = this.#last === undefined ? 0 : this.#last.usage.totalTokens - documentTokens
    return {
      turns: this.#turns,
      forgottenTurns: this.#forgottenTurns,
      tokens,
      bytes: this.#last?.heldBytes ?? 0,
      roomTokens: contextLength - documentTokens - tokens,
      last: this.#last,
    }
  }

  async #beginAnew(context: Context, anew: string): Promise<void> {
    const before = this.#chat
    this.#context = context
    this.#chat = context.chat()
    if (this.#turns > 0) this.#said.push({ anew })
    this.#turns = 0
    this.#forgottenTurns = 0
    this.#last = undefined
    await before.dispose()
  }
}

/** What was said, for people to read. */
export const transcriptText = ({ source, stats, said }: Conversation): string => {
  const { model, keptShare, originalTokens } = stats
  const parts = said.map((part) =>
    'anew' in part ? `*(${part.anew})*` : `**You**\n\n${part.question}\n\n**${model}**\n\n${part.answer.trim()}`,
  )
  const about = `${model}, ${countText(originalTokens)} tokens of document, ${percentText(keptShare)} kept`
  return `${[`# A conversation about ${source}`, about, ...parts].join('\n\n')}\n`
}
