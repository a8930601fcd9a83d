// Package blobtest has file systems for tests: Disk forgets what was not
// synced, Cut stops a file
// system at its n-th step, and Intercept does what a test likes before a step.
package blobtest
