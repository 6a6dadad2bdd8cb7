/** More threads than this are a mistake: for the engine, and for the command line, which refuses before it loads one. */
export const mostThreads = 256
