package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// secretLine is how long a line of a secret of several lines is at least that is a secret by itself, as those of a key are.
const secretLine = 16

// forms are the texts by which a secret is recognized: itself and the parts of it that are secrets too, each as it is and encoded.
func forms(text string) []string {
	var out []string
	seen := map[string]bool{}
	add := func(form string) {
		if len(form) >= MinLength && !seen[form] {
			seen[form] = true
			out = append(out, form)
		}
	}
	for _, p := range parts(text) {
		written := []string{p, url.QueryEscape(p), url.PathEscape(p), url.UserPassword("", p).String()[1:], html.EscapeString(p)}
		for _, e := range written {
			add(e)
			add(lowerEscapes(e))
		}
		for _, e := range quoted(p) {
			add(e)
			for _, again := range quoted(e) {
				add(again)
			}
		}
		add(hex.EncodeToString([]byte(p)))
		add(strings.ToUpper(hex.EncodeToString([]byte(p))))
		add(strings.Trim(fmt.Sprintf("%d", []byte(p)), "[]"))
		for before := range 3 {
			add(within64(base64.RawStdEncoding, p, before))
			add(within64(base64.RawURLEncoding, p, before))
		}
	}
	return out
}

// parts are a secret and what of it is a secret by itself: the password of a URL, the long lines of a key, JSON without its spaces.
func parts(text string) []string {
	out := []string{text}
	if trimmed := strings.TrimSpace(text); trimmed != text {
		out = append(out, trimmed)
	}
	if strings.Contains(text, "\n") {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if len(line) >= secretLine && !strings.HasPrefix(line, "-----") {
				out = append(out, line)
			}
		}
	}
	if u, err := url.Parse(text); err == nil && u.User != nil {
		// A password that is also the user or the database, as on a developer's machine, is no secret.
		if password, _ := u.User.Password(); len(password) >= MinLength && strings.Count(text, password) <= 1 {
			out = append(out, password)
		}
	}
	if len(text) > 1 && (text[0] == '{' || text[0] == '[') {
		var b bytes.Buffer
		if json.Compact(&b, []byte(text)) == nil {
			out = append(out, b.String())
		}
	}
	return out
}

// quoted is text within the quotes of JSON, with and without HTML's characters escaped, and of Go.
func quoted(text string) []string {
	inner := func(s string) string { return s[1 : len(s)-1] }
	out := []string{inner(strconv.Quote(text)), inner(strconv.QuoteToASCII(text))}
	for _, escape := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(escape)
		if e.Encode(text) == nil { // a string always encodes
			out = append(out, inner(strings.TrimSuffix(b.String(), "\n")))
		}
	}
	return out
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return percent.ReplaceAllStringFunc(s, strings.ToLower) }

// within64 is what base64 makes of text when so many bytes, modulo 3, come before it: the characters that depend on text alone.
func within64(e *base64.Encoding, text string, before int) string {
	all := e.EncodeToString(append(make([]byte, before), text...))
	return all[(before*8+5)/6 : (before+len(text))*8/6]
}
