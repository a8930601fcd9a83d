package lake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Personal is what *R is where rows are of persons, so that what is personal of
// one can be taken out of them. No method may look at more than its row.
type Personal interface {
	// Person names whom the row is of; "" for nobody.
	Person() string
	// PersonColumn is the column that holds as much.
	PersonColumn() string
	// Erase takes out what is personal, and leaves what the books need: identity,
	// amount, state, times, hash and place. Person then names nobody who can be
	// erased. Rows that are equal but for what is personal are equal after it.
	Erase()
}

// Erases is what an entry of KindErase says: whom. The name itself is nowhere in
// the lake's log.
type Erases struct {
	Salt   string `json:"salt"`   // random, of the lake's first erasure
	Person string `json:"person"` // SHA-256 of salt and name, in hex
}

// erasure is a person whose data is to be nowhere in the lake.
type erasure struct {
	Erases
	before map[PartitionKey]int64 // of records with offsets below these
}

func personHash(salt, person string) string {
	sum := sha256.Sum256([]byte("tidemill person\x00" + salt + "\x00" + person))
	return hex.EncodeToString(sum[:])
}

// foldErase takes an erasure in: it covers all that the log has by then.
func (s *State) foldErase(e Entry) {
	s.eraseEntries++
	before := make(map[PartitionKey]int64, len(s.Partitions))
	for k, p := range s.Partitions {
		before[k] = p.Next
	}
	now := erasure{*e.Erases, before}
	if i := slices.IndexFunc(s.erasures, func(x erasure) bool { return x.Erases == now.Erases }); i >= 0 {
		s.erasures = slices.Clone(s.erasures) // a snapshot may hold it
		s.erasures[i] = now
		return
	}
	s.erasures = append(s.erasures, now)
}

// Erasures says whose data is to be in no record of the lake. It remembers whom
// it was asked about: it is for one goroutine at a time.
type Erasures struct {
	all   []erasure
	salts []string
	known map[string]*erasure // by person; nil: none
}

// Erasures are those that the log tells of.
func (s *State) Erasures() *Erasures {
	e := &Erasures{all: s.erasures, known: map[string]*erasure{}}
	for _, x := range e.all {
		if !slices.Contains(e.salts, x.Salt) {
			e.salts = append(e.salts, x.Salt)
		}
	}
	return e
}

// Any says whether there are any.
func (e *Erasures) Any() bool { return len(e.all) > 0 }

// Covers says whether the record of an offset is to tell nothing of a person.
func (e *Erasures) Covers(topicID string, partition int32, offset int64, person string) bool {
	x := e.person(person)
	return x != nil && offset < x.before[PartitionKey{topicID, partition}]
}

// person is the erasure of a person; nil: there is none.
func (e *Erasures) person(name string) *erasure {
	if len(e.all) == 0 {
		return nil
	}
	x, asked := e.known[name]
	if !asked {
		x = e.find(name)
		if len(e.known) < maxKnown && len(name) <= maxKnownName {
			e.known[strings.Clone(name)] = x
		}
	}
	return x
}

// These bound the persons that are remembered: 16 MB.
const (
	maxKnown     = 1 << 16
	maxKnownName = 256
)

func (e *Erasures) find(person string) *erasure {
	for _, salt := range e.salts {
		hash := personHash(salt, person)
		for i := range e.all {
			if e.all[i].Salt == salt && e.all[i].Person == hash {
				return &e.all[i]
			}
		}
	}
	return nil
}

// EraseRow takes what is personal out of the row of an offset if it is of a
// person who was erased, and says whether it did. Rows that are not Personal are
// of nobody.
func EraseRow[R any](e *Erasures, topicID string, partition int32, offset int64, row *R) bool {
	p, ok := any(row).(Personal)
	if !ok || !e.Covers(topicID, partition, offset, p.Person()) {
		return false
	}
	p.Erase()
	return true
}

// EraseLetter is EraseRow for a dead letter: it has no bytes any more, if those
// name such a person, but their hash.
func (e *Erasures) EraseLetter(d *DeadLetter) bool {
	if d.Erased != nil || !e.Any() {
		return false
	}
	covered := func(text []byte) bool {
		for name := range namesIn(text) {
			if e.Covers(d.TopicID, d.Partition, d.Offset, name) {
				return true
			}
		}
		return false
	}
	reason, field := covered([]byte(d.Reason)), covered([]byte(d.Field))
	if !covered(d.Value) && !covered(d.Key) && !reason && !field {
		return false
	}
	hash := hashOfBytes(d.Key, d.Value)
	d.Key, d.Value, d.Erased = nil, nil, &hash
	if reason {
		d.Reason = "was erased"
	}
	if field {
		d.Field = "erased"
	}
	return true
}

// hashOfBytes tells whether a record had this key and value.
func hashOfBytes(key, value []byte) string {
	k, v := sha256.Sum256(key), sha256.Sum256(value)
	return hex.EncodeToString(k[:]) + ":" + hex.EncodeToString(v[:])
}

// WasOf says whether an erased dead letter was of a record with this key and
// value.
func (d *DeadLetter) WasOf(key, value []byte) bool {
	return d.Erased != nil && *d.Erased == hashOfBytes(key, value)
}

// namesIn are the texts that may be names in what may be broken JSON: all of it,
// what stands between two quotes, as it is written and unescaped, and every run
// of letters, digits, '_' and '-'.
func namesIn(text []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(string(text)) {
			return
		}
		quoted := bytes.Split(text, []byte{'"'})
		for _, q := range quoted[min(1, len(quoted)):] {
			if !yield(string(q)) {
				return
			}
			if bytes.IndexByte(q, '\\') >= 0 {
				if plain, err := strconv.Unquote(`"` + string(q) + `"`); err == nil && !yield(plain) {
					return
				}
			}
		}
		for word := range bytes.FieldsFuncSeq(text, func(r rune) bool {
			return r == utf8.RuneError || r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) {
			if !yield(string(word)) {
				return
			}
		}
	}
}
