package lake

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Where things lie below the root. Names are slash-separated.

const (
	tmpRoot  = "_tmp"
	swapRoot = "_swap"
	// A "~" is legal in no topic's name, so it ends the topic in a writer's id.
	writerSeparator = "~"
)

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,200}$`) // Kafka allows 249, but a folder's name with a writer's id has to fit 255

func checkTopic(topic string) error {
	if !topicName.MatchString(topic) || topic == "." || topic == ".." {
		return fmt.Errorf("topic %q is no name that Kafka allows: letters, digits, '.', '_' and '-'", topic)
	}
	return nil
}

func logFolder(topic string) string { return path.Join("_log", topic) }
func entryName(topic string, n int64) string {
	return path.Join("_log", topic, fmt.Sprintf("%d.json", n))
}
func bronzeFolder(topic string) string  { return path.Join("bronze", topic) }
func deadFolder(topic string) string    { return path.Join("dead_letters", topic) }
func writerFolder(writer string) string { return path.Join(tmpRoot, writer) }

// A batch's file is named by what it holds, "2024-01-05" or "dead", and its
// commit. While it waits for the commit it is a file of its writer's folder,
// and its name there tells where it belongs, so that any process can finish the
// move for another.

const deadLabel = "dead"

// fileName is a file of a batch.
type fileName struct {
	label string // a day, or deadLabel
	base  string // the commit's id
}

// day is the day whose rows it holds; "" for one of dead letters.
func (f fileName) day() Day {
	if f.label == deadLabel {
		return ""
	}
	return Day(f.label)
}

const extension = ".parquet"

// baseOf is the name of a committed file without folder and extension.
func baseOf(name string) string { return strings.TrimSuffix(path.Base(name), extension) }

func dayFolder(topic string, d Day) string { return path.Join(bronzeFolder(topic), d.folder()) }

func (f fileName) tmp(writer string) string {
	return path.Join(writerFolder(writer), f.label+writerSeparator+f.base+extension)
}

func (f fileName) final(topic string) string {
	if f.label == deadLabel {
		return path.Join(deadFolder(topic), f.base+extension)
	}
	return path.Join(dayFolder(topic, Day(f.label)), f.base+extension)
}

// parseTmp reads the name of a file in a writer's folder; ok is false for
// others, such as the text of an entry.
func parseTmp(base string) (f fileName, ok bool) {
	name, isParquet := strings.CutSuffix(base, extension)
	label, id, both := strings.Cut(name, writerSeparator)
	if _, err := ParseDay(label); !isParquet || !both || err != nil && label != deadLabel {
		return fileName{}, false
	}
	return fileName{label, id}, true
}
