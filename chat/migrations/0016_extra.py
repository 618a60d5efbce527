from django.db import migrations

import chat.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0015_durations"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="extra",
            field=chat.models.fields.Json(blank=True, null=True),
        ),
    ]
