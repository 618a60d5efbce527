from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_recent_turns")]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="size_bytes",
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                fields=["conversation", "created"], name="chat_recent_moves", condition=models.Q(kind="head")
            ),
        ),
    ]
