/* cli/figure.c - figures as short texts for a live view. See figure.h. */
#include "figure.h"

#include <stdio.h>
#include <string.h>

static const char *const figure_binary[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
static const char *const figure_decimal[] = { "", "k", "M", "G", "T", "P", "E" };

static double figure_scale(double x, double step, unsigned *unit)
{
	for (*unit = 0; x >= step * 0.9995 && *unit < 6; (*unit)++)
		x /= step;
	return x;
}

static int figure_digits(double x)
{
	return x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
}

cairn_figure_text cairn_figure_bytes(double bytes)
{
	cairn_figure_text f;
	unsigned unit;
	double x = figure_scale(bytes, 1024, &unit);
	if (bytes >= 18446744073709551615.0)
		snprintf(f.text, sizeof f.text, "–");
	else
		snprintf(f.text, sizeof f.text, "%.*f %s", unit ? figure_digits(x) : 0, x, figure_binary[unit]);
	return f;
}

cairn_figure_text cairn_figure_size(uint64_t bytes)
{
	cairn_figure_text f;
	unsigned unit = 0;
	double x = (double)bytes;
	for (; x >= 1024 && unit < 6; unit++)
		x /= 1024;
	snprintf(f.text, sizeof f.text, "%.6g %s", x, figure_binary[unit]);
	return f;
}

cairn_figure_text cairn_figure_count(double n)
{
	cairn_figure_text f;
	unsigned unit;
	double x = figure_scale(n, 1000, &unit);
	if (n < 9999.5)
		snprintf(f.text, sizeof f.text, "%.0f", n);
	else
		snprintf(f.text, sizeof f.text, "%.*f %s", figure_digits(x), x, figure_decimal[unit]);
	return f;
}

cairn_figure_text cairn_figure_rate(double per_s)
{
	cairn_figure_text f, size = cairn_figure_bytes(per_s < 0 ? -per_s : per_s);
	snprintf(f.text, sizeof f.text, "%s%.24s/s", per_s > 0 ? "+" : per_s < 0 ? "-" : "", size.text);
	return f;
}

cairn_figure_text cairn_figure_time(uint64_t ns)
{
	cairn_figure_text f;
	uint64_t s = ns / 1000000000;
	if (ns < 999500000)
		snprintf(f.text, sizeof f.text, ns < 9995000 ? "%.1f ms" : "%.0f ms", (double)ns / 1e6);
	else if (s < 60)
		snprintf(f.text, sizeof f.text, "%.*f s", s < 10 ? 1 : 0, (double)ns / 1e9);
	else if (s < 3600)
		snprintf(f.text, sizeof f.text, "%u min %u s", (unsigned)s / 60, (unsigned)s % 60);
	else if (s < 86400)
		snprintf(f.text, sizeof f.text, "%u h %u min", (unsigned)s / 3600, (unsigned)s / 60 % 60);
	else
		snprintf(f.text, sizeof f.text, "%llu d %u h", (unsigned long long)s / 86400,
			 (unsigned)(s / 3600 % 24));
	return f;
}

cairn_figure_text cairn_figure_percent(double part)
{
	cairn_figure_text f;
	double x = part * 100;
	snprintf(f.text, sizeof f.text, "%.*f %%", x > 0 && x < 0.0995 ? 2 : x > 0 && x < 99.95 ? 1 : 0, x);
	return f;
}
