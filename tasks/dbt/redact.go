package dbt

import "strings"

// secretNames mark a variable whose value must be shown to nobody.
var secretNames = []string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "PRIVATE_KEY", "PGPASS"}

// redactor replaces the values of secret variables in texts for people.
func redactor(env map[string]string) func(string) string {
	var pairs []string
	for key, value := range env {
		if len(value) < 4 { // a shorter one would blacken half of every text
			continue
		}
		for _, mark := range secretNames {
			if strings.Contains(strings.ToUpper(key), mark) {
				pairs = append(pairs, value, "*****")
				break
			}
		}
	}
	if len(pairs) == 0 {
		return func(s string) string { return s }
	}
	return strings.NewReplacer(pairs...).Replace
}
