/** What an adapter may be called: a value of `model` in requests, as models are; a slash for names like the Hub's. */
export const ADAPTER_NAME = /^[A-Za-z0-9_][A-Za-z0-9._/-]{0,99}$/
