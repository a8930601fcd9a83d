package dbt

import (
	"regexp"

	"github.com/tidemill/tidemill/engine"
)

// hidden stands for personal data in rows that are kept.
const hidden = "•••"

var (
	// personalColumn is the name of a column, or of a field in JSON, that holds personal data: customer_email, ip_address and their like.
	personalColumn = regexp.MustCompile(`(?i)(^|_)(e?mail|ip|ip_address|ip_addr|phone|iban|card_number|pan)($|_)`)
	// personalField is such a field with its value, in a text that is JSON.
	personalField = regexp.MustCompile(`(?i)("(?:[a-z0-9]+_)*(?:e?mail|ip|ip_address|ip_addr|phone|iban|card_number|pan)(?:_[a-z0-9]+)*"\s*:\s*)("(?:[^"\\]|\\.)*"|[0-9.]+)`)
	// address is an e-mail or an IPv4 address, in whatever column.
	address = regexp.MustCompile(`[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}|\b(?:\d{1,3}\.){3}\d{1,3}\b`)
)

// maxCell is how many characters of a value are kept.
const maxCell = 1000

// maskPersonal hides personal data in rows: by the name of the column, and e-mail and IP addresses wherever they are. Long values are cut.
func maskPersonal(t engine.Table) engine.Table {
	for _, row := range t.Rows {
		for i, v := range row {
			if v == nil {
				continue
			}
			text := hidden
			if !personalColumn.MatchString(t.Columns[i]) {
				text = address.ReplaceAllString(personalField.ReplaceAllString(*v, `${1}"`+hidden+`"`), hidden)
			}
			if r := []rune(text); len(r) > maxCell {
				text = string(r[:maxCell]) + "…"
			}
			row[i] = &text
		}
	}
	return t
}
