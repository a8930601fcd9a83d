// Package pyenv makes and finds the private Python environment that dbt runs in.
//
// [Ensure] makes it at first use from a lock that pins every package by version and hash, and returns at once when it
// is there. An environment lies in its own folder below Options.Dir, named after the lock's hash, and is complete when
// its marker file is there: one that was interrupted is made anew, one of an older lock stays until nothing needs it.
// Processes that ask for the same environment at once wait for the one that makes it.
//
// Packages are installed by uv, which pip fetches into the environment if it is not on the system (it is five times as
// fast as pip); where uv does not work pip does it. Both take the user's own settings for indexes and proxies.
package pyenv
