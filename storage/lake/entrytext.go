package lake

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// An entry's text is one JSON object whose last member is the checksum of the
// text without that member, so that an edited entry is told from what was
// committed. Version 1 of the entries had none.

// checksumMember is how a text ends that has a checksum.
var checksumMember = regexp.MustCompile(`,\n "checksum": "(sha256:[0-9a-f]{64})"\n\}\n$`)

const textEnd = "\n}\n"

// encode is the entry's text.
func (e *Entry) encode() ([]byte, error) {
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode entry %s: %w", e.CommitID, err)
	}
	return withChecksum(append(text, '\n')), nil
}

// withChecksum adds the checksum to a text that has none.
func withChecksum(text []byte) []byte {
	sum := checksumOf(text)
	body := text[: len(text)-len(textEnd) : len(text)-len(textEnd)]
	return append(body, ",\n \"checksum\": \""+sum+"\""+textEnd...)
}

// withoutChecksum is the text that the checksum is of, and the checksum; ""
// and the text itself if it has none.
func withoutChecksum(text []byte) (body []byte, checksum string) {
	at := checksumMember.FindSubmatchIndex(text)
	if at == nil {
		return text, ""
	}
	return append(text[:at[0]:at[0]], textEnd...), string(text[at[2]:at[3]])
}

// decodeEntry reads the text of entry n of a topic's log.
func decodeEntry(topic string, n int64, text []byte) (Entry, error) {
	e, err := parseEntry(topic, n, text)
	if err != nil {
		return Entry{}, err
	}
	if err := e.checkText(text); err != nil {
		return Entry{}, fmt.Errorf("%w: entry %d of %s: %w", ErrCorrupt, n, topic, err)
	}
	return e, nil
}

// checkText compares the text that the entry was read from with its checksum.
func (e *Entry) checkText(text []byte) error {
	body, want := withoutChecksum(text)
	if want == "" && e.SchemaVersion == 1 {
		return nil
	}
	if want == "" {
		return errors.New("its checksum is missing: it is not what was committed")
	}
	if got := checksumOf(body); got != want {
		return fmt.Errorf("it was changed since it was committed: it has checksum %s, and says %s", got, want)
	}
	return nil
}

// parseEntry is decodeEntry without a look at the checksum.
func parseEntry(topic string, n int64, text []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil {
		return Entry{}, fmt.Errorf("%w: entry %d of %s: %w", ErrCorrupt, n, topic, err)
	}
	if e.SchemaVersion < 1 || e.SchemaVersion > SchemaVersion {
		return Entry{}, fmt.Errorf("entry %d of %s has schema version %d, this program reads up to %d: use a newer one",
			n, topic, e.SchemaVersion, SchemaVersion)
	}
	if e.CommitID == "" || e.Writer == "" || e.Topic != topic {
		return Entry{}, fmt.Errorf("%w: entry %d of %s: no commit id or writer, or topic %q", ErrCorrupt, n, topic, e.Topic)
	}
	e.N = n
	if (e.Kind == KindReplace) != (e.Replaces != nil) {
		return Entry{}, fmt.Errorf("%w: entry %d of %s: it is of kind %q and says what it replaces: %t", ErrCorrupt, n, topic, e.Kind, e.Replaces != nil)
	}
	if (e.Kind == KindErase) != (e.Erases != nil) {
		return Entry{}, fmt.Errorf("%w: entry %d of %s: it is of kind %q and says whom it erases: %t", ErrCorrupt, n, topic, e.Kind, e.Erases != nil)
	}
	for i := range e.Files {
		f := &e.Files[i]
		f.Entry, f.CommittedAt = n, e.CommittedAt
		if f.TopicID == "" {
			f.TopicID = e.TopicID
		}
	}
	return e, nil
}
