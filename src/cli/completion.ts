/**
 * compactor completion bash | zsh | fish: a script made from the commands themselves, so that it knows every command,
 * flag and choice there is. It is text only: pressing Tab starts no Node.
 */
import { type Argument, type Command, Option } from 'commander'
import { builtInModels } from './flags.ts'
import type { Terminal } from './terminal.ts'
import { topics } from './topics.ts'

const help = `
The script goes where the shell looks for completions. It completes commands, flags, their choices, names of models and
.cctx files.

Examples:
  compactor completion bash > ~/.local/share/bash-completion/completions/compactor
  compactor completion zsh > ~/.compactor-completion.zsh     and in ~/.zshrc: source ~/.compactor-completion.zsh
  compactor completion fish > ~/.config/fish/completions/compactor.fish`

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

export const defineCompletion = (
  command: Command,
  terminal: Terminal,
  commands: () => Promise<readonly Command[]>,
): void => {
  command
    .addArgument(command.createArgument('<shell>', 'whose script to print').choices(shells))
    .addHelpText('after', help)
    .action(async (shell: Shell) => {
      const nodes = (await commands()).flatMap((root) => nodesOf(root, []))
      terminal.print(writers[shell](nodes).trimEnd())
    })
}

/** What a word that is no flag stands for. */
type Kind = 'model' | 'context' | 'file' | 'choice'

interface Node {
  /** Words that lead here, each with its aliases. */
  readonly path: readonly (readonly string[])[]
  readonly about: string
  readonly subcommands: readonly Command[]
  readonly options: readonly Option[]
  readonly first: { readonly kind: Kind; readonly choices: readonly string[] } | undefined
}

const helpOption = new Option('-h, --help', 'display help for command')

const nodesOf = (command: Command, before: readonly (readonly string[])[]): Node[] => {
  const path = [...before, [command.name(), ...command.aliases()]]
  const [argument] = command.registeredArguments
  const node: Node = {
    path,
    about: command.summary() || command.description(),
    subcommands: command.commands,
    options: [...command.options.filter(({ hidden }) => !hidden), helpOption],
    first: argument && { kind: kindOf(argument, path), choices: argument.argChoices ?? [] },
  }
  return [node, ...command.commands.flatMap((sub) => nodesOf(sub, path))]
}

const kindOf = (argument: Argument, path: Node['path']): Kind => {
  if (argument.argChoices) return 'choice'
  const names = path.map(([name]) => name)
  if (argument.name() === 'model' || names[0] === 'model') return 'model'
  return names.includes('context') || names[0] === 'ask' || names[0] === 'chat' ? 'context' : 'file'
}

const isModelFlag = ({ long }: Option): boolean => long === '--model'
const takesPath = ({ flags }: Option): boolean => /<(path|file|folder)>/.test(flags)
const takesValue = (option: Option): boolean => option.required || option.optional
const flagsOf = ({ short, long }: Option): string[] => [short, long].filter((flag) => flag !== undefined)
const nameOf = ({ path }: Node): string => path.map(([name]) => name).join(' ')

// -- bash, and zsh through its own bashcompinit -----------------------------------------------------------------------

const bashWords = (words: readonly string[]): string => `COMPREPLY=( $(compgen -W '${words.join(' ')}' -- "$cur") )`

const bashFiller: Readonly<Record<Exclude<Kind, 'choice'>, string>> = {
  model: '_compactor_models',
  context: '_compactor_contexts',
  file: '_compactor_files',
}

const bashFillerOf = (option: Option): string => {
  if (isModelFlag(option)) return bashFiller.model
  return takesPath(option) ? bashFiller.file : ':' // nothing is offered for a number or a text
}

const bashNode = (node: Node): string => {
  const { first, options, subcommands } = node
  const words = first?.kind === 'choice' ? first.choices : subcommands.map((sub) => sub.name())
  const plain = first && first.kind !== 'choice' ? bashFiller[first.kind] : bashWords(words)
  const values = options.filter(takesValue).map((option) => {
    const fill = option.argChoices ? bashWords(option.argChoices) : bashFillerOf(option)
    return `        ${flagsOf(option).join('|')}) ${fill}; return ;;`
  })
  return `    '${nameOf(node)}')
      case "$prev" in
${values.join('\n')}
      esac
      if [[ $cur == -* ]]; then ${bashWords(options.flatMap(flagsOf))}; else ${plain}; fi ;;`
}

/** A word of the line is a step further when it names a command that is known there; flags and values are passed over. */
const bashSteps = (nodes: readonly Node[]): string =>
  nodes
    .map((node) => {
      const above = node.path.slice(0, -1).map(([name]) => name)
      const words = (node.path.at(-1) ?? []).map((word) => `'${[...above, word].join(' ')}'`)
      return `      ${words.join('|')}) path='${nameOf(node)}' ;;`
    })
    .join('\n')

const bashScript = (nodes: readonly Node[]): string => {
  const roots = nodes.filter(({ path }) => path.length === 1).map(({ path }) => path[0]?.[0] ?? '')
  return `# completion of compactor for bash, made by \`compactor completion bash\`
_compactor_files() { local IFS=$'\\n'; compopt -o filenames 2>/dev/null; COMPREPLY=( $(compgen -f -- "$cur") ); }
_compactor_contexts() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=( $(compgen -f -X '!*.cctx' -- "$cur") $(compgen -d -- "$cur") )
  if [[ \${#COMPREPLY[@]} -eq 0 ]]; then _compactor_files; fi
}
_compactor_models() {
  local names='${builtInModels.join(' ')}' file
  for file in "\${COMPACTOR_HOME:-$HOME/.compactor}"/models/*.gguf; do
    if [[ -e $file ]]; then file=\${file##*/}; names+=" \${file%.gguf}"; fi
  done
  local IFS=$'\\n'
  COMPREPLY=( $(compgen -W "\${names// /$IFS}" -- "$cur") $(compgen -f -X '!*.gguf' -- "$cur") )
}
_compactor() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' i IFS=$' \\t\\n'
  COMPREPLY=()
  for (( i = 1; i < COMP_CWORD; i++ )); do
    case "\${path:+$path }\${COMP_WORDS[i]}" in
${bashSteps(nodes)}
      help) path=help ;;
    esac
  done
  case "$path" in
    '') if [[ $cur == -* ]]; then ${bashWords(['--help', '--version'])}; else ${bashWords([...roots, 'help'])}; fi ;;
    help) ${bashWords([...roots, ...topics.map(({ name }) => name)])} ;;
${nodes.map(bashNode).join('\n')}
  esac
}
complete -F _compactor compactor
`
}

const zshScript = (nodes: readonly Node[]): string => `#compdef compactor
# completion of compactor for zsh, made by \`compactor completion zsh\`: bash's, through what zsh has for it
autoload -U +X compinit && compinit -i
autoload -U +X bashcompinit && bashcompinit
${bashScript(nodes)}`

// -- fish -------------------------------------------------------------------------------------------------------------

const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const fishWhere = ({ path }: Node): string => {
  const seen = path.map((names) => `__fish_seen_subcommand_from ${names.join(' ')}`)
  return fishQuoted(seen.join('; and '))
}

const fishNode = (node: Node): string[] => {
  const where = fishWhere(node)
  const flags = node.options.map((option) => {
    const [short, long] = [option.short?.slice(1), option.long?.slice(2)]
    const names = [short === undefined ? '' : ` -s ${short}`, long === undefined ? '' : ` -l ${long}`].join('')
    const choices = option.argChoices?.join(' ') ?? (isModelFlag(option) ? '(__compactor_models)' : undefined)
    const value = takesValue(option)
      ? choices === undefined
        ? takesPath(option)
          ? ' -r'
          : ' -x'
        : ` -x -a ${fishQuoted(choices)}`
      : ''
    return `complete -c compactor -n ${where}${names}${value} -d ${fishQuoted(option.description)}`
  })
  const words = node.subcommands.map(
    (sub) => `complete -c compactor -n ${where} -f -a ${sub.name()} -d ${fishQuoted(sub.description())}`,
  )
  const first = node.first?.kind === 'choice' ? node.first.choices.join(' ') : undefined
  const plain = node.first?.kind === 'model' ? '(__compactor_models)' : first
  return [
    ...flags,
    ...words,
    ...(plain === undefined ? [] : [`complete -c compactor -n ${where} -a ${fishQuoted(plain)}`]),
  ]
}

const fishScript = (nodes: readonly Node[]): string => {
  const roots = nodes.filter(({ path }) => path.length === 1)
  const words = [
    ...roots.map(({ path, about }) => [path[0]?.[0] ?? '', about]),
    ['help', 'about a command, or a topic'],
  ].map(
    ([name = '', about = '']) => `complete -c compactor -n __fish_use_subcommand -f -a ${name} -d ${fishQuoted(about)}`,
  )
  const helpWords = topics.map(
    ({ name, about }) =>
      `complete -c compactor -n '__fish_seen_subcommand_from help' -f -a ${name} -d ${fishQuoted(about)}`,
  )
  return `# completion of compactor for fish, made by \`compactor completion fish\`
function __compactor_models
  printf '%s\\n' ${builtInModels.join(' ')}
  set -l home $COMPACTOR_HOME
  test -n "$home"; or set home ~/.compactor
  for file in $home/models/*.gguf
    string replace -r '.*/(.*)\\.gguf$' '$1' $file
  end
end
${[...words, ...helpWords, ...nodes.flatMap(fishNode)].join('\n')}
`
}

const writers: Readonly<Record<Shell, (nodes: readonly Node[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}
