package verify

import (
	"fmt"
	"math/big"
	"strings"
)

// sums adds up decimal columns over files.
type sums map[string]*total

type total struct {
	unscaled big.Int
	scale    int
}

// add adds a file's columns.
func (s sums) add(r *Reading) error {
	for _, c := range r.Columns {
		if c.Sum == "" {
			continue
		}
		whole, fraction, _ := strings.Cut(c.Sum, ".")
		n, ok := new(big.Int).SetString(whole+fraction, 10)
		if !ok {
			return fmt.Errorf("%w: %s of column %s", errSum, c.Sum, c.Name)
		}
		t := s[c.Name]
		if t == nil {
			t = &total{scale: len(fraction)}
			s[c.Name] = t
		}
		if t.scale != len(fraction) {
			return fmt.Errorf("%w of one scale: column %s has %d and %d digits behind the point", errSum, c.Name, t.scale, len(fraction))
		}
		t.unscaled.Add(&t.unscaled, n)
	}
	return nil
}

func (s sums) texts() map[string]string {
	texts := map[string]string{}
	for name, t := range s {
		texts[name] = decimal(&t.unscaled, t.scale)
	}
	return texts
}
