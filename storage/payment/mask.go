package payment

import "regexp"

// masked stands for personal data where a record is shown.
const masked = `***`

var (
	// personalMember is a member of a JSON text, whole or broken, that holds an e-mail or an IP address by its name.
	personalMember = regexp.MustCompile(`(?i)("(?:[a-z0-9]+_)*(?:e?mail|ip|ip_address|ip_addr)"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s",}]+)`)
	// personalText is an e-mail, IPv4 or IPv6 address, wherever it stands.
	personalText = regexp.MustCompile(`(?i)[a-z0-9._%+\-]+@[a-z0-9.\-]+|\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b|\b(?:[0-9a-f]{1,4}:)+(?::[0-9a-f]{1,4})+\b`)
)

// MaskPersonal is a record's key or value, or a text about it, to be shown: *** stands for customer_email, ip_address and their like, and for e-mail and
// IP addresses wherever they are. Nil stays nil. The text that it is given does not change.
func MaskPersonal(text []byte) []byte {
	if text == nil {
		return nil
	}
	text = personalMember.ReplaceAll(text, []byte(`${1}"`+masked+`"`))
	return personalText.ReplaceAll(text, []byte(masked))
}
