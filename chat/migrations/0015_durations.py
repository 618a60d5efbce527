from typing import Any

from django.db import migrations, models
from django.db.models import F


def fill(apps: Any, schema_editor: Any) -> None:
    """Note how long the runs lasted that have ended already."""
    over = apps.get_model("chat", "ChatSession").objects.using(schema_editor.connection.alias).exclude(ended=None)
    over.update(duration=F("ended") - F("started"))


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0014_labels"),
    ]

    operations = [
        migrations.AddField(
            model_name="chatsession",
            name="duration",
            field=models.DurationField(editable=False, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="chatsession",
            index=models.Index(fields=["duration"], name="chat_sessions_by_duration"),
        ),
        migrations.AddIndex(
            model_name="chatsession",
            index=models.Index(fields=["agent_key", "-started"], name="chat_sessions_by_agent"),
        ),
    ]
