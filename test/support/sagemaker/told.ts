/** What the container of setup.ts says first: characters of one to four bytes. */
export const TOLD = [...'Grüße aus 東京 für 1 € 🛰️.']
