/** Why an adapter cannot be used, in words for whoever loads it: what is wrong, without the path in front. */
export class AdapterError extends Error {}
