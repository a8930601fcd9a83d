package webhook

import (
	"net/url"
	"strings"
)

// minSecret is the length from which a part of an address may be a secret: shorter ones, such as v1, stand in any text.
const minSecret = 5

// secretsOf returns the parts of an address that may be secret, as they are written and as they are meant: the segments of its path
// (chat services put their tokens there), the values of its query, its user and password.
func secretsOf(u *url.URL) []string {
	parts := strings.Split(u.Path, "/")
	parts = append(parts, strings.Split(u.EscapedPath(), "/")...)
	for _, pair := range strings.Split(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			parts = append(parts, plain)
		}
		parts = append(parts, value)
	}
	password, _ := u.User.Password()
	parts = append(parts, u.User.Username(), password)
	var secrets []string
	for _, p := range parts {
		if len(p) >= minSecret {
			secrets = append(secrets, p)
		}
	}
	return secrets
}

// tell is what an error says of an answer's body: its beginning, or nothing of it when it repeats a part of the address, as many
// servers do ("Cannot POST /services/…").
func (r *Receiver) tell(answer string) string {
	for _, s := range r.secrets {
		if strings.Contains(answer, s) {
			return "(a text that repeats parts of the URL, and is not shown)"
		}
	}
	return strings.ToValidUTF8(answer[:min(len(answer), maxTold)], "?")
}
