package httptask

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/tasks/internal/mask"
)

// shown is an address for people: without user, password, fragment and the values of the query.
func shown(u *url.URL) string {
	s := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	text := s.String()
	if names := slices.Sorted(maps.Keys(u.Query())); len(names) > 0 {
		for i, n := range names {
			names[i] = url.QueryEscape(n) + "=…"
		}
		text += "?" + strings.Join(names, "&")
	}
	return text
}

// minSecret is how long a value must be to be taken for a secret because of where it stands: a shorter one would blacken half of every text.
const minSecret = 4

// masker takes out of texts what nobody may see of a request: the client's own secrets, headers of ours, and what its address holds.
func (c *Client) masker(sent *http.Request) *mask.Masker {
	var secrets []string
	add := func(value string) {
		if len(value) >= minSecret {
			secrets = append(secrets, value)
		}
	}
	for name, values := range sent.Header {
		if isPlain(name) || name == http.CanonicalHeaderKey(c.keyHeader()) {
			continue
		}
		for _, v := range values {
			add(v)
			if _, credentials, ok := strings.Cut(v, " "); ok && name == "Authorization" { // "Bearer abc"
				add(credentials)
			}
		}
	}
	if password, ok := sent.URL.User.Password(); ok {
		add(password)
	}
	for name, values := range sent.URL.Query() {
		if namesSecret(name) {
			for _, v := range values {
				add(v)
			}
		}
	}
	return mask.New(append(secrets, c.secrets()...)...)
}

// secrets are the client's own, as they are and as an address has them.
func (c *Client) secrets() (all []string) {
	for _, s := range c.Secrets {
		all = append(all, s, url.PathEscape(s), url.QueryEscape(s))
	}
	return all
}

// isPlain tells whether a header's value is no secret and often part of other texts.
func isPlain(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Encoding", "Content-Type", "If-Match", "If-None-Match", "Prefer", "User-Agent":
		return true
	}
	return false
}

// namesSecret tells whether a parameter of this name is to make somebody known.
func namesSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"key", "token", "secret", "password", "signature", "auth"}, func(mark string) bool { return strings.Contains(name, mark) })
}
