package ui

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// hidden stands for what is not shown.
const hidden = "•••"

// personal are the names of fields that hold personal data, or secrets: pages never show their values. Task outputs and
// logs are not where such data belongs; this is the second line.
var personal = regexp.MustCompile(`(?i)(^|_)(e?mail|ip|ip_address|ip_addr|phone|iban|card_number|pan|password|secret|token|api_key)($|_)`)

// address is an e-mail address in a text, or a user and password before a host name.
var address = regexp.MustCompile(`[A-Za-z0-9._%+\-]+(:[^\s@/]+)?@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}`)

// maskText hides e-mail addresses in a text.
func maskText(text string) string { return address.ReplaceAllString(text, hidden) }

// maskValue hides a value by the name of its field.
func maskValue(name, value string) string {
	if personal.MatchString(name) {
		return hidden
	}
	return maskText(value)
}

// pretty is JSON for people: indented, numbers as they were written, personal data hidden. What is no JSON is shown as text.
func pretty(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return maskText(string(raw))
	}
	lines := strings.Split(b.String(), "\n")
	for i, l := range lines {
		name, value, ok := strings.Cut(l, `": `)
		if !ok {
			lines[i] = maskText(l)
			continue
		}
		field := name[strings.LastIndex(name, `"`)+1:]
		if personal.MatchString(field) && !strings.HasSuffix(value, "{") && !strings.HasSuffix(value, "[") {
			comma := ""
			if strings.HasSuffix(value, ",") {
				comma = ","
			}
			lines[i] = name + `": "` + hidden + `"` + comma
			continue
		}
		lines[i] = maskText(l)
	}
	return strings.Join(lines, "\n")
}
