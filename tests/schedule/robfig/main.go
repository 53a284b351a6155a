// What robfig/cron v3 says: a line "next, zone, moment, expression" (divided by tabs) is answered by the moment of the next run in seconds since 1970,
// "never", or "error ...". In some zones it never comes back where midnight does not exist: "hangs" is then the last answer, and the program ends.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

func answer(parser cron.Parser, line string) (text string) {
	defer func() {
		if trouble := recover(); trouble != nil { // "TZ=UTC" without a blank
			text = "error it fell over"
		}
	}()
	words := strings.SplitN(line, "\t", 4)
	zone, err := time.LoadLocation(words[1])
	if err != nil {
		return "zone " + err.Error()
	}
	moment, _ := strconv.ParseInt(words[2], 10, 64)
	schedule, err := parser.Parse(words[3])
	if err != nil {
		return "error " + err.Error()
	}
	next := schedule.Next(time.Unix(moment, 0).In(zone))
	if next.IsZero() {
		return "never"
	}
	return strconv.FormatInt(next.Unix(), 10)
}

func main() {
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	lines := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		answers := make(chan string, 1)
		go func(line string) { answers <- answer(parser, line) }(lines.Text())
		select {
		case text := <-answers:
			fmt.Fprintln(out, strings.ReplaceAll(text, "\n", " "))
		case <-time.After(100 * time.Millisecond):
			fmt.Fprintln(out, "hangs")
			return
		}
	}
}
