/** compactor help TOPIC: what no single command's help is the place for. */

export interface Topic {
  readonly name: string
  readonly about: string
  readonly text: string
}

const keep = `
How much of a document's memory stays: --keep, for compress and estimate, for ask, extract and chat about a document, and
/keep in a chat. Asking a context with --keep leaves away some of what it has, for that question; the file stays as it is.

A model remembers a document as one key and one value for every token, in every layer and every attention head. Compactor
ranks these pairs without knowing any question and keeps the best. --keep says how many:

  --keep 0.25       a share of them, above 0 up to 1 (the default)
  --keep 2000tok    as many as 2,000 tokens have; heads share them as they need
  --keep 64MB       as many as fit into this many bytes of keys and values (B, kB, MB, GB, KiB, MiB, GiB)
  --keep 1          everything: nothing is chosen, nothing is lost

The first and last tokens of a document always stay and count towards the budget; a budget below them is raised, with a
note. The template and system text before the document stay whole and do not count.

What is lost depends on document, question and model. Less than a quarter costs small models details: \`compactor eval\`
measures it on your own questions, \`compactor inspect context FILE --html PAGE\` shows which words were kept.

Examples:
  compactor estimate report.txt --keep 0.1      what it would cost
  compactor compress report.txt --keep 64MB`

const models = `
Models are GGUF files. Wherever a model is wanted (-m, pull, inspect gguf) you can give

  a built-in name          smollm2-135m, qwen2.5-coder-0.5b (the default), qwen2.5-coder-1.5b, gemma3-270m:
                           exact bytes, by checksum
  hf:user/repo:QUANT       the one model of that quantisation in a repository on Hugging Face
  hf:user/repo/file.gguf   exactly that file; of a model in several (…-00001-of-00003.gguf) all, whichever is named
  a path                   a .gguf file where it lies
  a name as listed         a file in the models folder, or one that another program keeps:
                           ollama:NAME:TAG (or NAME:TAG; the tag latest may be left out), llama.cpp:FILE

A model that is missing is downloaded first, by any command; --offline (or HF_HUB_OFFLINE=1) forbids that. A download that
breaks off is tried again, and one that was stopped is gone on with by the next pull: what is here of it is set aside beside
the models and shown by \`compactor model list\`. A file gets its name only when it is complete and its checksum is right.

Files of Ollama (OLLAMA_MODELS, else ~/.ollama/models), llama.cpp (LLAMA_CACHE, else ~/.cache/llama.cpp) and the Hugging Face
cache (HF_HUB_CACHE, HF_HOME) with the bytes that were asked for are used where they lie. They are only ever read.

Examples:
  compactor pull qwen2.5-coder-1.5b
  compactor model list
  compactor ask notes.txt "What is left to do?" -m ollama:qwen2.5:0.5b`

const documents = `
A document is text, Markdown, HTML, PDF, DOCX or EPUB; a folder or git repository, every such file in it under its path; an
http or https address; a pipe, or - for standard input. What a file is, its first bytes say. A line on standard error tells
what was read, and what could not be.

Folders: what .gitignore names is left out, and what a .ignore file beside it names, in the same way; so are hidden files,
node_modules, lock files and binary files. Of what remains, --include PATTERN reads only what a pattern names and --exclude
PATTERN leaves out what one names: patterns as in a .gitignore, from the folder, in quotes because of the shell; both may be
repeated, and --exclude wins. --verbose names what was left out.

Text that is not UTF-8: its encoding is guessed and the guess said; --encoding NAME is believed. Scans, protected and damaged
files, spreadsheets and archives are refused with a sentence that says what to do.

A document may be as long as the model was trained for, less what --reserve leaves for question and answer (1,024 tokens) and
what the model's template puts before it. \`compactor estimate\` counts its tokens without reading it. What is too long is
refused, not cut: give one folder or chapter of it, choose files with --include and --exclude, or take a model with a longer
context (\`compactor inspect gguf MODEL\` shows its length).

Examples:
  compactor compress report.pdf
  compactor ask ./project/src "Where is the retry limit set?" --exclude "*.test.ts" --sources
  compactor compress https://example.org/guide.html
  cat chapter-*.md | compactor compress - -o book.cctx
  compactor estimate report.docx`

const contexts = `
A context is what stays of a document after reading: a .cctx file that any later process opens and asks. It holds the kept
keys and values, the document's tokens (so whoever has the file can read the text) and where its pages, headings and files
begin. It belongs to the very model that made it, which it knows by checksum: it is found among the models here, or is the
one that -m or COMPACTOR_MODEL names.

\`compactor compress FILE\` writes one where you like. \`compactor ask FILE.txt "question"\`, like chat, makes one and remembers
it in the home by everything it was made from, so that the second question about the same text starts at once. An id, as
\`compactor context list\` shows it or cut to its first characters, can stand wherever a .cctx file can.

A file is checked to the last byte before it is used, never changed after it was written, and replaced only with --force.

Examples:
  compactor ask report.cctx "Who signed it?"
  compactor chat report.cctx
  compactor context list
  compactor context show 3fa9
  compactor inspect context report.cctx --html report.html`

const evaluation = `
\`compactor eval\` measures what compression costs: the same questions about the same documents, asked of the whole memory
and of what each method keeps of it.

  --measure distance    how far the next-token distributions are from those with everything kept; needs no answers
  --measure score       answers generated and scored
  data                  JSONL files with documents, questions and answers, or tasks made up at any length (needle, ruler, …)

A line of your own data is one text with its questions:
  {"context": "The ferry leaves at nine.", "questions": [{"question": "When does it leave?", "answers": ["at nine"]}]}

Results go into a folder that a second run of the same command goes on with. Tables are paired, with intervals; --report
writes them as one page with plots. \`compactor eval list\` names tasks, metrics and methods.

Examples:
  compactor eval needle --length 2000
  compactor eval questions.jsonl --methods compactor,snapkv --keep 0.5,0.25 --measure score
  compactor eval report eval-results/* -o page.html`

const environment = `
Every flag of every command can be set as COMPACTOR_<FLAG> in the environment (--max-tokens: COMPACTOR_MAX_TOKENS) and in
compactor.config.json in the working folder, with its name in camelCase ({"maxTokens": 200}). A switch is 1 or 0, true or
false; what --no-NAME turns off is COMPACTOR_NO_NAME=1 there and {"name": false} here. A flag wins over the
environment, the environment over the file, the file over the default. Unknown keys of the file are refused.

  COMPACTOR_HOME     where models and remembered contexts live (default ~/.compactor)
  COMPACTOR_ISA      a lower instruction set than the best: scalar, avx2, avx512 (\`compactor inspect cpu\` shows the choice)
  COMPACTOR_DEBUG    1 = show where in the program an error arose
  HF_TOKEN           for private and gated repositories; else the file in HF_TOKEN_PATH or HF_HOME
  HF_ENDPOINT        another hub than https://huggingface.co
  HF_HUB_OFFLINE     1 = download nothing
  HF_HOME, HF_HUB_CACHE, LLAMA_CACHE, OLLAMA_MODELS   where other programs keep models (\`compactor help models\`)

Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted; of a piped chat that of the first line that failed. Results
are on standard output, everything else on standard error; --json prints JSON values.

Examples:
  COMPACTOR_THREADS=2 compactor ask report.cctx "Who signed it?"
  echo '{"model": "smollm2-135m", "keep": "0.5"}' > compactor.config.json`

export const topics: readonly Topic[] = [
  { name: 'keep', about: 'how much stays, and in which units', text: keep },
  { name: 'models', about: 'what can be named as a model, where files are looked for', text: models },
  { name: 'documents', about: 'what can be read', text: documents },
  { name: 'contexts', about: 'what a .cctx is and where it is remembered', text: contexts },
  { name: 'evaluation', about: 'measuring what is lost', text: evaluation },
  { name: 'environment', about: 'variables, the config file, exit codes', text: environment },
]
