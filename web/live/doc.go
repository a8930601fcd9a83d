// Package live sends what changes to open pages and API clients as server-sent events.
//
// Truth is polled: a [Pulse] beats once a second for each watcher, and sooner when something hints that there is news. A
// watcher builds what it would show, and a [Stream] sends it only when it differs from what was sent before. Whoever
// connects, for the first time or again, is sent the present state first, so that nothing depends on events that were missed.
//
// A [Gate] ends all streams when the HTTP server shuts down, which otherwise waits for them for ever.
package live
