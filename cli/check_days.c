/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_days.h"
#include "ipc/fields.h"
#include <string.h>
#include <time.h>

#define MS_PER_S 1000

static bool name_day(int64_t wall_ms, char ret_day[static 11])
{
	time_t seconds = (time_t)(wall_ms / MS_PER_S);
	struct tm tm;

	return gmtime_r(&seconds, &tm) && strftime(ret_day, 11, "%Y-%m-%d", &tm) == 10;
}

static void insert(struct check_days *days, size_t at, const char *day)
{
	memmove(&days->days[at + 1], &days->days[at], (days->count - at) * sizeof(days->days[0]));
	days->days[at] = (struct compliance_day){.retired_jobs = 0};
	strcpy(days->days[at].day, day);
	days->count++;
}

static void drop_oldest(struct check_days *days)
{
	days->count--;
	memmove(&days->days[0], &days->days[1], days->count * sizeof(days->days[0]));
}

struct compliance_day *check_days_at(struct check_days *days, int64_t wall_ms)
{
	size_t at = days->count;
	char day[11];

	if (!name_day(wall_ms, day))
		return NULL;
	while (at > 0 && strcmp(days->days[at - 1].day, day) > 0)
		at--;
	if (at > 0 && strcmp(days->days[at - 1].day, day) == 0)
		return &days->days[at - 1];
	if (days->count == CHECK_DAYS_MAX && at == 0)
		return NULL;
	if (days->count == CHECK_DAYS_MAX) {
		drop_oldest(days);
		at--;
	}
	insert(days, at, day);
	return &days->days[at];
}

struct json_object *check_days_to_json(const struct check_days *days)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < days->count; i++) {
		struct json_object *day = json_object_new_object();

		fields_add_string(day, "day", days->days[i].day);
		fields_add_u64(day, "retired_jobs", days->days[i].retired_jobs);
		fields_add_u64(day, "failed_jobs", days->days[i].failed_jobs);
		fields_add_u64(day, "debt_bytes", days->days[i].debt_bytes);
		json_object_array_add(list, day);
	}
	return list;
}
