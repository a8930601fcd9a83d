// Package httptask calls HTTP services as tasks.
//
// A [Client] is one service: where it is and how to be known there. [JSON] makes a task's body from a function that says what to ask of
// it, with the decoded JSON of the answer as the output; [Send] makes one without an output. [Client.Do] is the same within a body of
// your own.
//
// How an attempt ends:
//
//   - A status that is expected (by default 200 to 299) succeeds.
//   - 408, 425, 429 and 500 to 599 are tried again, after Retry-After where the answer has it; so is a service that cannot be reached.
//   - All other statuses, and answers that do not decode, fail for good: a retry would not mend them.
//
// Requests that may change something carry the header Idempotency-Key, which is the same for all attempts of a task instance, so that a
// service that knows it does nothing twice. Errors and logs show addresses without user, password and the values of the query, and never the value
// of a header of ours.
package httptask
