package lake

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Where things lie below the root. Names are slash-separated.

const (
	tmpRoot = "_tmp"
	// A "~" is legal in no topic's name, so it ends the topic in a writer's id.
	writerSeparator = "~"
)

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

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

func rowsName(topic string, day Day, commitID string) string {
	return path.Join(bronzeFolder(topic), day.folder(), commitID+".parquet")
}

func deadName(topic, commitID string) string {
	return path.Join(deadFolder(topic), commitID+".parquet")
}

// tmpName is where the file that belongs at final waits for its commit. It can
// be told from final, so that any process can finish the move for another.
func tmpName(writer, final string) string {
	return path.Join(writerFolder(writer), strings.ReplaceAll(final, "/", "~"))
}

// finalName is the inverse of tmpName; ok is false for other files of a
// writer's folder, such as the text of an entry.
func finalName(tmp string) (final string, ok bool) {
	base := path.Base(tmp)
	if !strings.HasSuffix(base, ".parquet") {
		return "", false
	}
	return strings.ReplaceAll(base, "~", "/"), true
}

// ownerTopic is the topic that a writer's id was made for.
func ownerTopic(writer string) string {
	topic, _, _ := strings.Cut(writer, writerSeparator)
	return topic
}
