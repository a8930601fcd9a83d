package cli

import "os/user"

// who is who acts by a command, for the audit and wherever a page tells by whom something was done.
func (c *command) who() string {
	if u, err := user.Current(); err == nil {
		return actor(u.Username)
	}
	return actor("")
}

// actor names a person by their name in the operating system; without one they are the command line itself.
func actor(username string) string {
	if username == "" {
		return "cli"
	}
	return "cli:" + username
}
